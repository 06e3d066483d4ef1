"""Authenticator and authorizer that serve another router (``[attach]``)."""
