"""The API's manual stands on its own: no other host, no inline script, a policy that says so."""

import re

from tests.api.front import Front


async def test_the_manual_takes_everything_from_here(api: Front) -> None:
    page = await api.call(None, "GET", "/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(addresses) == 5
    for address in addresses:
        assert (await api.call(None, "GET", f"/{address}")).status_code == 200, address


async def test_the_manuals_policy_allows_its_own_files_and_no_inline_script(api: Front) -> None:
    page = await api.call(None, "GET", "/docs")
    policy = page.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "default-src 'none'; script-src 'self';" in policy[0]
    assert "unsafe" not in policy[0]
    assert "<script>" not in page.text


async def test_a_browser_that_has_the_manual_is_told_that_it_is_unchanged(api: Front) -> None:
    first = await api.call(None, "GET", "/docs/assets/swagger-ui-bundle.js")
    again = await api.call(
        None, "GET", "/docs/assets/swagger-ui-bundle.js", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (first.status_code, again.status_code) == (200, 304)
    assert (await api.call(None, "GET", "/docs/assets/nothing.js")).status_code == 404


async def test_every_other_answer_keeps_the_policy_of_no_content_at_all(api: Front) -> None:
    for path in ("/healthz", "/openapi.json", "/nowhere"):
        answer = await api.call(None, "GET", path)
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["cache-control"] == "no-store"
