"""The charsets that mail is in: what senders call them, and the codecs that read them."""

from collections.abc import Mapping
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Final

LONGEST_NAME: Final = 60

TABLE: Final = """
ascii utf_8 utf_8_sig utf_7 utf_16 utf_16_be utf_16_le utf_32 utf_32_be utf_32_le
latin_1 iso8859_1 iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10 iso8859_11
iso8859_13 iso8859_14 iso8859_15 iso8859_16 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258
cp437 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp1125
koi8_r koi8_t koi8_u kz1048 ptcp154 tis_620 hp_roman8
mac_arabic mac_croatian mac_cyrillic mac_farsi mac_greek mac_iceland mac_latin2 mac_roman mac_romanian mac_turkish
gb2312 gbk gb18030 hz big5 big5hkscs cp950
cp932 shift_jis shift_jis_2004 shift_jisx0213 euc_jp euc_jis_2004 euc_jisx0213
iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext
cp949 euc_kr johab iso2022_kr
"""
CHARSETS: Final = frozenset(TABLE.split())
"""Codecs of text alone. The standard library has others that cost much (punycode, idna) or that are none of text, and finds
them under whatever is spelled like them; of names that it does not know it keeps each one for ever."""

WIDER: Final[Mapping[str, str]] = {
    "latin_1": "cp1252",
    "iso8859_1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x_gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "x_sjis": "cp932",
    "windows_31j": "cp932",
    "windows_874": "cp874",
    "iso_8859_8_i": "iso8859_8",
    "cp_850": "cp850",
    "x_mac_roman": "mac_roman",
}
"""What senders call one charset and mean by it: a larger one that agrees with it, or one that has another name here."""


def known_charset(name: str) -> str | None:
    """The codec for a charset, if it is one that text can be in."""
    plain = normalize_encoding(name[:LONGEST_NAME]).lower()
    codec = aliases.get(plain) or aliases.get(plain.replace(".", "_")) or plain
    codec = WIDER.get(codec, codec)
    return codec if codec in CHARSETS else None
