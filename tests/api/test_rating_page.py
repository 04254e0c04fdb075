"""The page behind the links of a survey stands on its own, and only its button leads to the call that rates."""

import re

from tests.api.front import Front, problem


async def test_the_page_takes_everything_from_here_under_a_policy_without_inline_script(api: Front) -> None:
    page = await api.call(None, "GET", "/rate")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    [policy] = page.headers.get_list("content-security-policy")
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ")
    assert not re.search(r"<script(?! src=)|<style|\son\w+=|\sstyle=|https?://", page.text)
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses == ["rate/page.css", "rate/page.js"]
    for address, kind in zip(addresses, ("text/css", "text/javascript"), strict=True):
        asset = await api.call(None, "GET", f"/{address}")
        assert (asset.status_code, asset.headers["content-type"].split(";")[0]) == (200, kind)


async def test_nothing_is_sent_but_by_the_button_and_to_a_call_that_takes_it(api: Front) -> None:
    script = (await api.call(None, "GET", "/rate/page.js")).text
    [address] = re.findall(r"fetch\(`([^$]+)\$", script)
    assert script.count("fetch(") == 1
    assert script.count("send()") == 2, "where it is defined, and where the form is sent"
    assert script.index('addEventListener("submit"') < script.index("await send()")
    problem(await api.call(None, "POST", f"/{address}x", json={"score": 5, "comment": "fine"}), 404, "not-found")


async def test_without_script_the_page_names_the_call(api: Front) -> None:
    page = (await api.call(None, "GET", "/rate")).text
    assert "POST api/ratings/" in page.partition("<noscript>")[2].partition("</noscript>")[0]
