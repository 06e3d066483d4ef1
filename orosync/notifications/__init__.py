"""What orosync itself publishes to Oro's pages: content that is outdated, maintenance, keep-alive."""
