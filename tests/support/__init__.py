"""What several tests share: free ports, child processes."""
