"""What Oro's pages are told: content that is outdated, maintenance, keep-alive."""
