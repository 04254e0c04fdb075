"""The page behind the links of invitations stands on its own, and its form leads to the call that sets a password."""

import re

from tests.api.front import Front


async def test_the_page_takes_everything_from_here_under_a_policy_without_inline_script(api: Front) -> None:
    page = await api.call(None, "GET", "/set-password")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    [policy] = page.headers.get_list("content-security-policy")
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ")
    assert "unsafe" not in policy
    assert not re.search(r"<script(?! src=)|<style|\son\w+=|\sstyle=|https?://", page.text)
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses == ["set-password/page.css", "set-password/page.js"]
    for address, kind in zip(addresses, ("text/css", "text/javascript"), strict=True):
        asset = await api.call(None, "GET", f"/{address}")
        assert (asset.status_code, asset.headers["content-type"].split(";")[0]) == (200, kind)


async def test_the_form_is_sent_to_a_call_that_takes_what_it_sends(api: Front) -> None:
    script = (await api.call(None, "GET", "/set-password/page.js")).text
    [address] = re.findall(r'fetch\("([^"]+)"', script)
    assert "JSON.stringify({ token, password: password.value })" in script
    answer = await api.call(None, "POST", f"/{address}", json={"token": "x" * 43, "password": "a new password"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/token")


async def test_without_script_the_page_names_the_call(api: Front) -> None:
    page = (await api.call(None, "GET", "/set-password")).text
    assert "POST api/auth/password" in page.partition("<noscript>")[2].partition("</noscript>")[0]
