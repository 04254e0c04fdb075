"""Pages of mails as they are shown: harmless, and prepared for it in no time, however they are nested."""

import time

import nh3
import pytest

from api.inbound import TAGS, harmless
from domain.mail.pages import CUT, LONGEST, shallow

SEVERAL = "".join(f"<b lang={n}>" for n in range(50))


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>One <b>two</b><br>three</p>", "<p>One <b>two</b><br>three</p>"),
        ("<p>1 < 2 &amp; 3 > &lt;b&gt; &uuml;&nbsp;</p>", "<p>1 &lt; 2 &amp; 3 &gt; &lt;b&gt; ü&nbsp;</p>"),
        (
            "<table><tr><td align=right>1<td>2</table>",
            '<table><tbody><tr><td align="right">1</td><td>2</td></tr></tbody></table>',
        ),
        ("<p onclick=x()>a<script>b()</script><style>c</style><img src=d>e", "<p>ae</p>"),
        ("<head><title>a</title><style>b</style></head><body>c</body>", "c"),
        ("<b><i>a</b></i>b", "<b><i>a</i></b>b"),
        ("a<!-- b -->c<!-- d", "ac&lt;!-- d"),
        ("<a href='javascript:x()'>a</a>", '<a rel="noopener noreferrer nofollow">a</a>'),
        (
            "<a href=\"https://x.example/?a=1&amp;b='2'\">a</a>",
            '<a href="https://x.example/?a=1&amp;b=\'2\'" rel="noopener noreferrer nofollow">a</a>',
        ),
        (
            "<a title='&quot;&gt;&lt;script&gt;'>a</a>",
            '<a title="&quot;&gt;&lt;script&gt;" rel="noopener noreferrer nofollow">a</a>',
        ),
        (
            '<textarea><p>a</p></textarea><noscript><p title="</noscript><script>x()</script>">b',
            '<p>a</p><p>"&gt;b</p>',
        ),
        ("<svg><style><a title='</style><script>x()</script>'>", ""),
    ],
)
def test_a_page_is_shown_without_what_does_harm(html: str, shown: str) -> None:
    assert harmless(html) == shown


@pytest.mark.parametrize(
    "piece",
    [
        "<div>",
        "<p>",
        "<span>",
        "<blockquote>",
        "<table><tr><td>",
        "<ul><li>",
        "<b>",
        "<b><div></b>",
        "</p>",
        "<table>x<br>",
        "<br>",
        "&",
        "&amp;",
        "<",
        ">",
        "x",
        SEVERAL + "<p>x",
        "<table><b lang=1><tr>x",
        "\n",
        "<a href='",
        "<p lang='" + '"' * 1_900 + "'>",
        "<p " + "a" * 1_900 + ">",
        "<a " + "b=c " * 400 + ">",
    ],
)
def test_no_page_takes_long_to_be_made_harmless(piece: str) -> None:
    html = "<table>" * (piece == "<table>x<br>") + piece * (4 * LONGEST // len(piece))
    begun = time.perf_counter()
    shown = harmless(html)
    assert time.perf_counter() - begun < 0.5
    assert shown.endswith(CUT)
    assert len(shown) <= 4 * LONGEST + len(CUT)


def test_what_is_nested_too_deep_is_shown_beside() -> None:
    assert shallow("<div>" * 100 + "a" + "</div>" * 100 + "b", TAGS) == "<div>" * 60 + "a" + "</div>" * 60 + "b"
    assert shallow("<i>" * 9 + "a" + "</i>" * 9 + "<i>b</i>", TAGS) == "<i>" * 8 + "a" + "</i>" * 8 + "<i>b</i>"


def test_a_page_of_a_newsletter_is_shown_as_a_whole() -> None:
    cell = '<td align="left"><p><a href="https://x.example/"><span><b>Gr&uuml;&szlig;e</b></span></a>&nbsp;</p></td>'
    html = "<table><tbody>" + f"<tr>{cell * 4}</tr>" * 80 + "</tbody></table>"
    assert harmless(html) == nh3.clean(html, tags=TAGS, link_rel="noopener noreferrer nofollow")
