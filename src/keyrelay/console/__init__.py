"""Console: the admin panel, as pages that a browser shows with and without script.

one_address.py  the console and the API at one address
application.py  from a request to a page, with all that stands before every page
signing_in.py   a session begins with a token that is typed once
visit.py        what a page is asked, and what it answers
visiting.py     from a request to what a page is asked
own_api.py      how a page asks: the API's own routes, as its visitor
live.py         what happens, told to pages that are open
recent.py       details of attempts, asked once for all of these
rendering.py    from a template and facts to HTML
files.py        what pages load: styles, scripts, icons
pages/          the screens, one module each
"""
