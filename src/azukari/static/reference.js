// What our pages can do better with a script: show this server's own address, find a call, open what a link leads to.

/**
 * The elements that a selector finds, all of one kind.
 * @template {Element} E
 * @param {string} selector
 * @param {new () => E} kind
 * @returns {E[]}
 */
function all(selector, kind) {
  return [...document.querySelectorAll(selector)].flatMap((found) => (found instanceof kind ? [found] : []));
}

/** The address this page came from, in the commands to paste. */
const own = `${location.origin}/api/v1`;
for (const code of document.querySelectorAll("code[data-server]")) {
  code.textContent = code.textContent.replaceAll("http://127.0.0.1:8420/api/v1", own);
}

/**
 * Show only what holds every word.
 * @param {string} text
 */
function filter(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = new Set();
  for (const item of all("[data-item]", HTMLElement)) {
    item.hidden = !words.every((word) => item.dataset.item?.includes(word));
    if (!item.hidden) kept.add(`#${item.id}`);
  }
  for (const group of all("[data-group]", HTMLElement)) {
    group.hidden = !group.querySelector("[data-item]:not([hidden])");
    if (!group.hidden) kept.add(`#${group.getAttribute("aria-labelledby")}`);
  }
  for (const part of all("[data-still]", HTMLElement)) part.hidden = words.length > 0;
  for (const link of all(".tree a", HTMLAnchorElement)) {
    /** @type {HTMLElement} */
    const row = link.closest("li, .branch") ?? link;
    row.hidden = words.length > 0 && !kept.has(link.hash);
  }
  const calls = document.querySelectorAll("article[data-item]:not([hidden])").length;
  const said = words.length === 0 ? "" : calls === 1 ? "1 call found" : `${calls} calls found`;
  for (const found of all("[data-found]", HTMLElement)) found.textContent = said;
}

const inputs = all("[data-filter]", HTMLInputElement);
for (const part of all("search", HTMLElement)) part.hidden = false;
for (const input of inputs) {
  input.addEventListener("input", () => {
    for (const other of inputs) other.value = input.value;
    filter(input.value);
  });
}

/** A link into something closed or filtered away opens it. */
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.closest("[hidden]")) {
    for (const input of inputs) input.value = "";
    filter("");
  }
  if (target instanceof HTMLDetailsElement) target.open = true;
  target.scrollIntoView();
}

for (const link of all(".menu .tree a", HTMLAnchorElement)) {
  link.addEventListener("click", () => link.closest("details")?.removeAttribute("open"));
}
addEventListener("hashchange", reveal);
if (location.hash) reveal();
