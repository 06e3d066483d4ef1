"""One client's life: admitted, joined, asked and answered, looked at again from time to time, let go.

    host.py, inside.py, wireless.py   how one comes in: over a transport, as a component, without a wire
    lobby.py, hosted.py               what all sessions share, and what those of a realm do
    identify.py                       who it is
    v1.py, v2.py, batched.py          the session itself
    requests.py, call_requests.py     what a client of WAMP v2 asks for
    post.py, wire.py                  how deliveries become frames
    recheck.py, review.py             what becomes of logins and rights that change
    local*.py                         orosync itself as a member

The only room that sees transport, identity, authz and router together. It must not know bytes, or how anything is
stored.
"""
