"""`/set-password`: the page behind the links of invitations and resets, for as long as no portal serves it."""

from typing import Final

from api.pages import OwnPage

MAIN: Final = """<noscript>
<p>This page needs JavaScript. The other way: POST api/auth/password with {"token": "…", "password": "…"},
where the token is what follows # in the link.</p>
</noscript>
<form hidden>
<label for="password">New password, at least 8 characters</label>
<input id="password" type="password" autocomplete="new-password" minlength="8" maxlength="256" required autofocus>
<label for="again">The same again</label>
<input id="again" type="password" autocomplete="new-password" maxlength="256" required>
<button>Set the password</button>
</form>
"""

STYLE: Final = """body { font: 1rem/1.5 system-ui, sans-serif; color: #0f172a; background: #fff; }
main { max-width: 24rem; margin: 4rem auto; padding: 0 1rem; }
label, input, button { display: block; font: inherit; }
input, button { width: 100%; box-sizing: border-box; padding: 0.5rem; margin: 0.25rem 0 1rem; }
form[hidden] { display: none; }
"""

SCRIPT: Final = """"use strict";
const form = document.querySelector("form");
const [password, again] = form.querySelectorAll("input");
const status = document.querySelector("[role=status]");
const token = location.hash.slice(1);

function finish(text) {
  form.hidden = true;
  status.textContent = text;
}

async function send() {
  const answer = await fetch("api/auth/password", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, password: password.value }),
  });
  if (answer.ok) {
    history.replaceState(null, "", location.pathname);
    return finish("The password is set. You can sign in with it now.");
  }
  const problem = await answer.json();
  const errors = problem.errors || [];
  if (errors.some((error) => error.pointer === "/token")) {
    return finish("The link cannot be used any more: it was used before, or is too old. Ask for a new one.");
  }
  status.textContent = errors.map((error) => `The password ${error.detail}.`).join(" ") || problem.detail;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (password.value !== again.value) {
    status.textContent = "The two passwords differ.";
    return;
  }
  const button = form.querySelector("button");
  button.disabled = true;
  status.textContent = "";
  try {
    await send();
  } catch {
    status.textContent = "Summit cannot be reached. Nothing has changed; try again.";
  }
  button.disabled = false;
});

if (token) {
  form.hidden = false;
} else {
  finish("Open the link of the mail: it holds what is needed to set a password.");
}
"""

PASSWORD_PAGE: Final = OwnPage("/set-password", "Set a password", MAIN, STYLE, SCRIPT)
