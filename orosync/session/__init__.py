"""One client's life: admission, authentication, HELLO, requests, delivery, goodbye.

    hosts.py                              admits a client: over a transport, or as a component of this process
    context.py, realm_context.py          what the sessions of a listener share, and those of a realm
    v1.py, v2.py, batched.py              the session itself
    v2_requests.py, replies.py            what a WAMP v2 client asks for, and how it is answered or refused
    features.py                           what WELCOME announces
    dispatch.py                           deliveries become frames
    revalidation.py, reauthorization.py   logins and rights that change while a client is connected
    history.py, testaments.py             procedures of WAMP's own that need authorization
    local.py                              orosync itself as a member of a realm
    timers.py                             time limits of HELLO and of calls

The only package that uses transport, identity, authz and router together.
"""
