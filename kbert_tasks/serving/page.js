// Asks the server for its models, and shows the answer for the entered text.
"use strict";
const form = document.getElementById("ask");
const words = JSON.parse(form.dataset.words);
const place = (id) => document.getElementById(id);
const status = place("status");
let models = {}, last;

const say = (text, wrong = false) => {
  status.textContent = text;
  status.classList.toggle("wrong", wrong);
};
const ask = async (path, body) => {
  const headers = body ? { "Content-Type": "application/json" } : {};
  if (form.elements.key.value) headers["X-API-Key"] = form.elements.key.value;
  let response;
  try {
    response = await fetch(path, { headers, ...(body && { method: "POST", body: JSON.stringify(body) }) });
  } catch {
    throw new Error(words.lost);
  }
  const kind = response.headers.get("Content-Type") || "";
  if (!response.ok) throw new Error(kind.startsWith("application/json") ? (await response.json()).error : response.statusText);
  return kind.startsWith("application/json") ? response.json() : response.text();
};
const chosen = () => models[form.elements.model.value];
const choose = () => {
  const model = chosen();
  place("second").hidden = !model || model.second_text === null;
  if (model && form.dataset.language === "en") place("second").firstElementChild.textContent = model.second_text || words.second;
  form.elements.text_b.required = !place("second").hidden;
  const known = model ? Object.entries(model.options).filter(([name]) => !name.endsWith("_column")) : [];
  place("options").hidden = known.length === 0;
  place("options").firstElementChild.textContent = words.options.replace("{example}", known.map(([name]) => `{"${name}": 0.8}`)[0]);
};
const load = async () => {
  try {
    const found = (await ask("/models")).models;
    models = Object.fromEntries(found.map((model) => [model.name, model]));
    form.elements.model.replaceChildren(
      ...found.map((model) => new Option(`${model.name} (${form.dataset.language === "zh" ? model.title_zh : model.title})`, model.name)),
    );
    choose();
    say("");
    return true;
  } catch (error) {
    say(error.message, true);
    return false;
  }
};
const options = () => {
  if (place("options").hidden || !form.elements.options.value.trim()) return {};
  let found;
  try {
    found = JSON.parse(form.elements.options.value);
  } catch {
    found = null;
  }
  if (found === null || typeof found !== "object" || Array.isArray(found)) throw new Error(words.wrong_options);
  return found;
};
const show = async (what, path, body, waiting) => {
  const buttons = document.querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = true));
  say(waiting);
  try {
    place(what).innerHTML = await ask(path, body); // made by the server, which escapes all texts
    say("");
  } catch (error) {
    say(error.message, true);
  }
  document.querySelectorAll("button").forEach((button) => (button.disabled = false));
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!chosen() && !(await load())) return;
  try {
    last = { text: form.elements.text.value, options: options(), language: form.dataset.language };
  } catch (error) {
    return say(error.message, true);
  }
  if (!place("second").hidden) last.text_b = form.elements.text_b.value;
  for (const id of ["answer", "explanation"]) place(id).replaceChildren();
  last.path = `/page/${encodeURIComponent(form.elements.model.value)}`;
  const { path, ...body } = last;
  await show("answer", `${path}/answer`, body, words.waiting);
});
place("answer").addEventListener("click", async (event) => {
  if (!event.target.matches("button.explain")) return;
  const { path, ...body } = last;
  await show("explanation", `${path}/explanation`, { ...body, answer: JSON.parse(event.target.dataset.answer) }, words.explaining);
  place("explanation").scrollIntoView({ block: "nearest" });
});
form.elements.model.addEventListener("change", choose);
form.elements.key.addEventListener("change", load);
form.elements.text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
if (place("key").hidden) load();
else say(words.ask_key);
