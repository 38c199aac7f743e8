"""Throttling: what a server's words say about too much mail, and for how long.

Providers say "too much just now" with any code, those of a permanent failure too, and
in words of their own. The catalogue below is made of the replies that they publish and
that users report; tests/unit/dispatchers/throttled_replies.py lists them.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.dispatchers.smtp.reply import Phase

LONGEST_WAIT = timedelta(days=1)
# Where the words name no time: providers count rates by the minute.
_RATE_PAUSE = timedelta(minutes=1)
_QUOTA_PAUSE = timedelta(minutes=15)

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


# Servers repeat addresses, and name pages that explain: rate@example.com and
# https://example.com/limits are about no rate and no limit. Status codes stand on each
# line of a reply.
_NO_WORDS = _pattern(
    r"<[^>]*>",
    r"\bhttps?://\S*",
    r"\S*@\S*",
    r"\(?#?\b[245]\.\d{1,3}\.\d{1,3}\b\)?|_",
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

_MAIL = (
    r"(?:e-?mails?|mails?|messages?|msgs?|recipients?|rcpts?|relays?|submissions?"
    r"|deliver(?:y|ies)|transactions?|requests?|connections?|sessions?)"
)
_WORD = r"(?:seconds?|secs?|minutes?|mins?|hours?|days?|weeks?|months?)\b"
_UNIT = r"(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|weeks?|months?)\b"
_PERIOD = _pattern(
    r"\b(?:per|each|every|this|within|last|past|in|an?|one) (?:the )?(?:last |past )?"
    rf"(?:(?P<count>\d+)[ -]?(?P<unit>{_UNIT})|(?P<unit_1>{_WORD}))",
    rf"/ ?(?:(?P<count_2>\d+) ?(?P<unit_2>{_UNIT})|(?P<unit_3>{_WORD}|[smhd]\b))",
    rf"\b(?P<count_4>\d+)[ -](?P<unit_4>{_UNIT})(?= (?:\w+ )?(?:limit|quota|allow))",
    r"\b(?P<unit_5>hourly|daily|weekly|monthly|today|24h)\b",
)
_WAITS = (
    re.compile(
        r"\b(?:again|retry|wait|reset\w*|resum\w*|resend|back|later|until|greylist\w*)"
        rf"\b[^.;]{{0,40}}?\b(?:(?P<count>\d+(?:\.\d+)?) ?(?P<unit>{_UNIT})"
        rf"|(?:an|a|one|the next) (?P<unit_1>{_WORD}))",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?:in|after|for|wait) (?P<count>\d+(?:\.\d+)?) ?(?P<unit>{_UNIT})",
        re.IGNORECASE,
    ),
)
_CLOCK = re.compile(r"\b(?:in|after|for) (\d{1,2}):(\d\d):(\d\d)\b")  # milter-greylist

_RATE = _pattern(
    r"(?<!spam )(?<!bounce )(?<!complaint )(?<!error )\brates?\b",
    r"\brate-?limit\w*|\boverlimit\b|\bthrottl\w*|\bslow(?:er|ly)?\b",
    r"\bfrequency\b|\bfrequently (?!asked)",
    r"\btoo (?:fast|quickly|often|frequent\w*|rapid\w*|busy)\b|\bserver (?:is )?busy\b",
    r"\btoo much (?:e-?mails?|mails?|messages?|traffic|load)\b",
    r"\btoo many (?:[\w-]+ ){0,3}(?:connections?|sessions?|messages|e-?mails|mails"
    r"|requests|attempts|log-?ins|auth\w*|failures|submissions|deliveries"
    r"|transactions|sends|defers|threads|simultaneous|concurrent|from)\b",
    r"\b(?:connections?|sessions?|threads?) (?:\w+ )?limit",
    r"\bmax\w* (?:number of )?\w+ per (?:connection|session)\b",
    r"\b(?:unusual|unexpected|excessive|high) (?:sending|volume|activity|amount)\b",
    r"\btrop de (?:connexions|messages|mails|courriels)\b",
    r"\bzu viele (?:e-?mails|mails|nachrichten|verbindungen)\b",
)
_QUOTA = _pattern(r"\b(?:limit|quota|allowance|threshold|credit)s?\b")
_MAILS = _pattern(rf"\b{_MAIL}\b")
_USED_UP = _pattern(
    r"\bexceed\w*|\bexcess\w*|\breach\w*|\bhit\b|\bover\b|\bused up\b|\bexhausted\b"
    r"|\bdepleted\b|\btoo (?:many|much)\b|\bmax\w*|\bonly\b|\ballowed\b|\bblown\b"
)
# Limits of one mail, and what waiting does not change.
_NEVER = _pattern(
    r"\b(?:size|length|bytes?|octets?|characters?|attachments?|hops?|headers?|lines?"
    r"|score|parts?|depth|too (?:large|big|long))\b",
    r"\d ?[kmg]i?b\b",
    r"\b(?:account|user|sender|domain|service|sending)\b(?: \w+){0,3}?"
    r"(?<! temporarily) (?:suspended|disabled|deactivated|paused|banned)\b",
)
_RECIPIENTS_OF_ONE_MAIL = _pattern(
    r"\btoo many recipients\b",
    r"\brecipients? (?:\w+ )?(?:limit|count|number)\b",
    r"\bnumber of recipients\b",
    r"\brecipients? per (?:message|mail|e-?mail|transaction|session|envelope)\b",
)
_RECEIVING = _pattern(
    r"\b(?:user|recipient\S*|account|mailbox|they|contact)\b.*\breceiv(?:es?|ing)\b",
    r"\breceive limit\b|\brecipient(?:'s)? (?:\w+ ){0,3}exceeded\b",
)
_FULL_MAILBOX = _pattern(
    r"\b(?:mailbox|inbox|mail ?folder|maildir|mail ?file) (?:\S+ ){0,3}?"
    r"(?:full|quota|size|storage|space|exceed\w*|over)\b",
    r"\bfull mailbox\b|\binbox is out\b",
    r"\b(?:over|exceed\w*|beyond) (?:\w+ ){0,2}?(?:storage|space)\b",
    r"(?<!system )\bstorage\b",
    r"\bdis[ck] ?quota\b|\buserdisk\b",
    r"\bover(?: \w+){0,2} quota\b",
    r"\b(?:trying|tried) to (?:contact|reach)\b",
    r"\brecipient(?:'s)? (?:\w+ ){0,3}(?:quota|full)\b",
    r"\bnot (?:have )?enough space\b",
)
_SENDING = _pattern(
    r"\bsend\w*|\bsent\b|\bsubmi\w*|\brelay\w*|\boutgoing\b|\boutbound\b|\bthrottl\w*",
    r"\byour?\b|\byou.ve\b|\bdomain\b|\btenant\b|\bcustomer\b|\bcredits?\b|\bplan\b",
    r"\bconnections?\b|\bsessions?\b",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """Too much was sent, so `wait` before the next.

    `by_sender`: the secret has sent too much; else one recipient has received too much.
    """

    by_sender: bool
    wait: timedelta


def plain_words(text: str) -> str:
    """Return a reply's words in one line: without addresses, links and status codes."""
    return " ".join(_NO_WORDS.sub(" ", _CAMEL.sub(" ", text)).split())


def read_throttle(words: str, status: str, phase: Phase) -> Throttle | None:
    """Return what `words` (of `plain_words`) say about too much mail.

    `status` is subject and detail of RFC 3463, like "4.5", and may be empty. None: the
    words are about something else, the space in a mailbox among it.
    """
    period, rate = _PERIOD.search(words), _RATE.search(words)
    quota = (
        _QUOTA.search(words) or (period and _MAILS.search(words))
    ) and _USED_UP.search(words)
    if _NEVER.search(words) or not (rate or quota):
        return None
    if is_of_recipient(words, status, phase):
        if not (rate or _RECEIVING.search(words)):
            return None
        return Throttle(by_sender=False, wait=waiting_time(words) or _RATE_PAUSE)
    wait = waiting_time(words) or (period and _length(period))
    return Throttle(
        by_sender=True, wait=wait or (_QUOTA_PAUSE if quota else _RATE_PAUSE)
    )


def has_too_many_recipients(words: str) -> bool:
    """Tell whether one mail has too many recipients, which is about that mail alone."""
    found = _RECIPIENTS_OF_ONE_MAIL.search(words) and _USED_UP.search(words)
    return bool(found) and _PERIOD.search(words) is None


def is_of_recipient(words: str, status: str, phase: Phase) -> bool:
    """Tell whether a refusal for a limit or a quota is one recipient's own."""
    if status == "2.2":  # mailbox full, in whichever phase it is said
        return True
    if phase not in (Phase.RCPT, Phase.DATA, Phase.BODY):
        return False  # no recipient has been named yet
    if _FULL_MAILBOX.search(words) or _RECEIVING.search(words):
        return not _is_sending_limit(words)
    if _SENDING.search(words) or _PERIOD.search(words):
        return False
    if status[:2] in ("1.", "2.") or "mailbox" in words.lower():
        return True
    return phase is Phase.RCPT and re.search(r"\bquota\b", words, re.I) is not None


def waiting_time(words: str) -> timedelta | None:
    """Return how long the words say to wait, at most a day; None, they do not say."""
    if (clock := _CLOCK.search(words)) is not None:
        hours, minutes, seconds = map(int, clock.groups())
        return min(
            timedelta(hours=hours, minutes=minutes, seconds=seconds), LONGEST_WAIT
        )
    for pattern in _WAITS:
        if (found := pattern.search(words)) is not None:
            return _length(found)
    return None


def _is_sending_limit(words: str) -> bool:
    """Tell whether the words name a limit of sending beside a mailbox."""
    return (
        re.search(r"\b(?:send\w*|submission|relay) (?:limit|quota)", words, re.I)
        is not None
    )


def _length(found: re.Match[str]) -> timedelta:
    groups = found.groupdict()
    units = [text for name, text in groups.items() if "unit" in name and text]
    counts = [text for name, text in groups.items() if "count" in name and text]
    unit = "d" if units[0].lower() in ("daily", "today", "24h") else units[0].lower()
    count = counts[0] if counts and counts[0][0].isdigit() else "1"
    if unit.startswith("mo"):
        return LONGEST_WAIT
    # Bounded before it is multiplied: a timedelta overflows.
    return min(min(float(count), 1e6) * _UNITS[unit[0]], LONGEST_WAIT)
