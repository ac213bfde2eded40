"""Text to the words that the tokenizer encodes, with the same answer on every Python.

Which characters are letters, digits or combining marks depends on the Unicode version, and the
Pythons this runs on differ in it (3.9 knows 13, 3.13 knows 15.1). The reference knows letters and
digits up to Unicode 16, lower case up to 17 and normalises by 9 (tokenizers 0.23). The tables
below hold the difference, so that a prompt has the same tokens on every Python from 3.9. What
cannot be promised are characters that Unicode adds after version 16: a Python that knows them may
group them differently from the reference.
"""

from __future__ import annotations

import re
import unicodedata

# Unicode's White_Space. Not str.isspace, which also holds the separators U+001C to U+001F.
_SPACES = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_CONTRACTION = re.compile("'(?:s|t|re|ve|m|ll|d)")
_LOWERED_SPECIAL = re.compile(r"<\|(startoftext|endoftext)\|>")


def _code_points(table: str) -> list[int]:
    """Return the code points of a table such as ``"8B5 8C8-8C9"`` in its order."""
    points: list[int] = []
    for entry in table.split():
        first, _, last = entry.partition("-")
        points.extend(range(int(first, 16), int(last or first, 16) + 1))
    return points


# Letters (\p{L}) and digits (\p{N}) of Unicode 16 that Unicode 13 does not have.
_LATER_LETTERS = frozenset(
    _code_points(
        """
        870-887 889-88E 8B5 8C8-8C9 C5D CDD 170D 171F 1B4C 1C89-1C8A 2C2F 2C5F 9FFD-9FFF A7C0-A7C1
        A7CB-A7CD A7D0-A7D1 A7D3 A7D5-A7DC A7F2-A7F4 10570-1057A 1057C-1058A 1058C-10592
        10594-10595 10597-105A1 105A3-105B1 105B3-105B9 105BB-105BC 105C0-105F3 10780-10785
        10787-107B0 107B2-107BA 10D4A-10D65 10D6F-10D85 10EC2-10EC4 10F70-10F81 11071-11072 11075
        1123F-11240 11380-11389 1138B 1138E 11390-113B5 113B7 113D1 113D3 11740-11746 11AB0-11ABF
        11BC0-11BE0 11F02 11F04-11F10 11F12-11F33 12F90-12FF0 1342F 13441-13446 13460-143FA
        16100-1611D 16A70-16ABE 16D40-16D6C 18CFF 1AFF0-1AFF3 1AFF5-1AFFB 1AFFD-1AFFE 1B11F-1B122
        1B132 1B155 1DF00-1DF1E 1DF25-1DF2A 1E030-1E06D 1E290-1E2AD 1E4D0-1E4EB 1E5D0-1E5ED 1E5F0
        1E7E0-1E7E6 1E7E8-1E7EB 1E7ED-1E7EE 1E7F0-1E7FE 2A6DE-2A6DF 2B735-2B739 2EBF0-2EE5D
        31350-323AF
        """
    )
)
_LATER_DIGITS = frozenset(
    _code_points(
        """
        10D40-10D49 116D0-116E3 11BF0-11BF9 11F50-11F59 16130-16139 16AC0-16AC9 16D70-16D79
        1CCF0-1CCF9 1D2C0-1D2D3 1E4F0-1E4F9 1E5F1-1E5FA
        """
    )
)

# Lower case that Unicode 13 does not have, upper above lower. Capital sigma is here as well,
# because str.lower writes a sigma at the end of a word differently and the reference does not.
_LOWER = dict(
    zip(
        _code_points(
            """
            3A3 1C89 2C2F A7C0 A7CB A7CC A7CE A7D0 A7D2 A7D4 A7D6 A7D8 A7DA A7DC
            10570-1057A 1057C-1058A 1058C-10592 10594-10595 10D50-10D65 16EA0-16EB8
            """
        ),
        _code_points(
            """
            3C3 1C8A 2C5F A7C1 264 A7CD A7CF A7D1 A7D3 A7D5 A7D7 A7D9 A7DB 19B
            10597-105A1 105A3-105B1 105B3-105B9 105BB-105BC 10D70-10D85 16EBB-16ED3
            """
        ),
    )
)

# Characters younger than Unicode 9 that a younger normaliser reorders or composes. In the reference
# they stand still and nothing passes them.
_STILL = re.compile(
    "(["
    + "".join(
        map(
            chr,
            _code_points(
                """
                5C8-5C9 7FD 897-89F 8CA-8D3 9FE C3C D3B-D3C EBA 1715 1ABF-1AF0 1DF6-1DFA A82C
                105D2 105DA 10D24-10D27 10D69-10D6D 10EAB-10EAC 10ECB-10ECF 10EF0-10EFB 10EFD-10EFF
                10F46-10F50 10F82-10F85 11070 1133B 113B8 113BB 113C2 113C9 113CE-113D0 1145E
                11839-1183A 11930 1193D-1193E 11943 119E0 11A34 11A47 11A99 11D42 11D44-11D45 11D97
                11F41-11F42 1611E-16120 16129 1612F 16D67 16FF0-16FF1 1D127-1D128 1D250-1D252
                1D25B-1D25C 1D25F 1D280-1D281 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF
                1E5EE-1E5EF 1E6E3 1E6E6 1E6EE-1E6EF 1E6F5
                """
            ),
        )
    )
    + "])"
)


def normalize(text: str) -> str:
    """Return a text in NFC and lower case, as the reference does.

    Parameters
    ----------
    text : str
        Text without halves of surrogate pairs.

    Returns
    -------
    str
        The normalised text. White space stays as it is: all it does is separate words.
    """
    pieces = _STILL.split(text)
    pieces[::2] = [unicodedata.normalize("NFC", piece) for piece in pieces[::2]]
    return "".join(pieces).translate(_LOWER).lower()


def split_words(text: str) -> list[str]:
    """Split normalised text into the words that are encoded one by one.

    Parameters
    ----------
    text : str
        Text from `normalize`.

    Returns
    -------
    list of str
        English contractions (``'s``), runs of letters, single digits and runs of anything else;
        no white space.
    """
    words: list[str] = []
    start = 0
    while start < len(text):
        contraction = _CONTRACTION.match(text, start)
        if contraction:
            words.append(contraction.group())
            start = contraction.end()
            continue
        special = _LOWERED_SPECIAL.match(text, start)
        if special:
            # Only a special token in capitals gets here. The reference recognises it as one word
            # and then splits it once more.
            words += ["<|", special.group(1), "|>"]
            start = special.end()
            continue
        kind = _kind(text[start])
        end = start + 1
        if kind in "LP":
            while end < len(text) and _kind(text[end]) == kind:
                end += 1
        if kind != " ":
            words.append(text[start:end])
        start = end
    return words


def _kind(character: str) -> str:
    """Return the group of a character: letter "L", digit "N", white space " ", or else "P"."""
    if character in _SPACES:
        return " "
    category = unicodedata.category(character)[0]
    if category in "LN":
        return category
    code = ord(character)
    if code in _LATER_LETTERS:
        return "L"
    return "N" if code in _LATER_DIGITS else "P"
