"""What the headers of an HTTP request say, as values: the page it comes from, its cookies, the proxies on its way."""
