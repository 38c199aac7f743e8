"""Border: what stands between the network and the API's application.

    connections.py   how many connections there may be; which is closed for a new one
    handshake.py     TLS, within the same count and time
    protocol.py      one connection: its times, its refusals, its end
    requests.py      the requests on it, as the parser finds them
    head.py          what a request's head must be, and how large
    body.py          how large and how slow a body may be
    refusal.py       the answer to what is refused here

A limit that stood in the application would come too late: a request that is never
complete reaches no application, and a body that has arrived is in memory already.
"""
