"""The application's components in this process."""
