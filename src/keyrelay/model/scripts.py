"""Scripts: whether a text mixes writing systems, whose letters look alike.

Unicode Technical Standard 39: https://www.unicode.org/reports/tr39/
"""

import unicodedata

from unicodedataplus import script_extensions

# Common and Inherited: what is written with every script.
_ANY = frozenset({"Zyyy", "Zinh"})
# Section 5.1: scripts that one language writes together count as one more script.
_TOGETHER = {
    "Hanb": frozenset({"Hani", "Bopo"}),
    "Jpan": frozenset({"Hani", "Hira", "Kana"}),
    "Kore": frozenset({"Hani", "Hang"}),
}


def mixes_scripts(text: str) -> bool:
    """Tell whether a text is beyond the level "highly restrictive" (section 5.2).

    It may be of one script, or of Latin beside Chinese, Japanese or Korean. Digits of
    two systems are a mixture, too (section 5.3).
    """
    if text.isascii():
        return False
    scripts = [_scripts(character) for character in text]
    limited = [each for each in scripts if each is not None]
    single = not limited or bool(frozenset.intersection(*limited))
    beside_latin = any(
        all(one in each or "Latn" in each for each in limited) for one in _TOGETHER
    )
    zeros = {ord(c) - unicodedata.decimal(c) for c in text if c.isdecimal()}
    return not (single or beside_latin) or len(zeros) > 1


def _scripts(character: str) -> frozenset[str] | None:
    """Return the scripts that use a character; None for any."""
    scripts = frozenset(script_extensions(character))
    if scripts & _ANY:
        return None
    return scripts | {one for one, of in _TOGETHER.items() if scripts & of}
