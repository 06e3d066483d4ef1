"""The entry points of the three ``twistd`` commands: options, and the service that is started."""
