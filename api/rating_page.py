"""`/rate`: the page behind a survey's links where no portal serves it; mail scanners follow links, so opening it rates nothing."""

from typing import Final

from api.pages import OwnPage

MAIN: Final = """<noscript>
<p>This page needs JavaScript. The other way: POST api/ratings/… with {"score": 1 to 5, "comment": "…"},
where … is what follows # in the link.</p>
</noscript>
<form hidden>
<fieldset>
<legend>Your rating</legend>
<label><input type="radio" name="score" value="5" required> Very good</label>
<label><input type="radio" name="score" value="4"> Good</label>
<label><input type="radio" name="score" value="3"> Fair</label>
<label><input type="radio" name="score" value="2"> Poor</label>
<label><input type="radio" name="score" value="1"> Very poor</label>
</fieldset>
<label for="comment">Anything you want to add (not required)</label>
<textarea id="comment" rows="4" maxlength="4000"></textarea>
<button>Send</button>
</form>
"""

STYLE: Final = """body { font: 1rem/1.5 system-ui, sans-serif; color: #0f172a; background: #fff; }
main { max-width: 28rem; margin: 4rem auto; padding: 0 1rem; }
fieldset { border: 1px solid #cbd5e1; margin: 0 0 1rem; padding: 0.5rem 1rem; }
fieldset label { display: block; padding: 0.25rem 0; }
textarea, button { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: 0.5rem; margin: 0.25rem 0 1rem; }
form[hidden] { display: none; }
"""

SCRIPT: Final = """"use strict";
const form = document.querySelector("form");
const comment = form.querySelector("textarea");
const button = form.querySelector("button");
const status = document.querySelector("[role=status]");
const token = location.hash.slice(1);
const chosen = new URLSearchParams(location.search).get("score");

function finish(text) {
  form.hidden = true;
  status.textContent = text;
}

async function send() {
  const score = Number(new FormData(form).get("score"));
  const body = comment.value.trim() ? { score, comment: comment.value } : { score };
  const answer = await fetch(`api/ratings/${encodeURIComponent(token)}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (answer.ok) {
    return finish("Thank you. Your rating has been taken.");
  }
  const problem = await answer.json();
  if (answer.status === 404 || answer.status === 409) {
    return finish(problem.detail);
  }
  status.textContent = problem.detail;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  status.textContent = "";
  try {
    await send();
  } catch {
    status.textContent = "Summit cannot be reached. Nothing has been sent; try again.";
  }
  button.disabled = false;
});

for (const each of form.querySelectorAll("input")) {
  each.checked = each.value === chosen;
}
if (token) {
  form.hidden = false;
} else {
  finish("Open the link of the mail: it says what is to be rated.");
}
"""

RATING_PAGE: Final = OwnPage("/rate", "How did we do?", MAIN, STYLE, SCRIPT)
