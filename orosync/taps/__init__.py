"""The faces of the three ``twistd`` commands: options, and the service that is started.

They must not build anything themselves.
"""
