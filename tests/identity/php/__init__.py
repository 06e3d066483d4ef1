"""Sessions of PHP, read: PHP itself is the oracle."""
