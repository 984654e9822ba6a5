"use strict";
// The page's order is: the index, this script, the pictures. So what is done here is done before the pictures are read.

const entries = JSON.parse(byId("index").textContent);
const STEP = 5; // per cent of the picture that a key moves the line
const BATCH = 48; // cards made at a time
const DRAG = 4; // pixels a finger or mouse moves before a click is a drag

function byId(id) {
  return document.getElementById(id);
}

function make(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child));
  return element;
}

function folders(entry) {
  const parts = entry.folder.split("/");
  return entry.folder ? parts.map((_, i) => parts.slice(0, i + 1).join("/")) : [];
}

function path(entry) {
  return entry.folder ? entry.folder + "/" + entry.name : entry.name;
}

// ---- Pictures: text in the page until they are shown

// The addresses of before and after, or null while the browser has not read that far.
function pictures(number) {
  const block = byId("pictures-" + number);
  const whole = block && (block.nextElementSibling || document.readyState !== "loading");
  return whole ? block.textContent.split("\n") : null;
}

// One picture, or two with a line between them that arrows and fingers move: left of it is before, right of it after.
function comparison(entry, open) {
  const sides = ["before", "after"].filter((side) => entry[side]);
  const images = Object.fromEntries(sides.map((side) => [side, make("img", { className: side, alt: "", draggable: false })]));
  const frame = make("div", { className: "frame", tabIndex: 0 }, ...Object.values(images));
  for (const image of Object.values(images)) {
    image.addEventListener("load", () => frame.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight));
  }
  let dragged = false;
  frame.addEventListener("click", () => dragged || open?.());
  if (sides.length === 2) {
    split(frame, entry.name, Boolean(open), (now) => (dragged = now));
  } else {
    frame.role = open ? "button" : "img";
    frame.ariaLabel = path(entry);
  }
  frame.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && open) {
      event.preventDefault();
      open();
    }
  });
  return { frame, images };
}

function split(frame, name, opens, setDragged) {
  frame.append(make("span", { className: "line" }), make("span", { className: "tag before", textContent: "Before" }));
  frame.append(make("span", { className: "tag after", textContent: "After" }));
  Object.assign(frame, { role: "slider", ariaLabel: "Before and after: " + name, ariaValueMin: "0", ariaValueMax: "100" });
  frame.ariaOrientation = "horizontal";
  let at;
  const move = (to) => {
    at = Math.min(100, Math.max(0, to));
    frame.style.setProperty("--at", at + "%");
    frame.ariaValueNow = String(Math.round(at));
    frame.ariaValueText = Math.round(at) + " % before, " + (100 - Math.round(at)) + " % after";
  };
  move(50);

  frame.addEventListener("keydown", (event) => {
    const to = {
      ArrowLeft: at - STEP, ArrowDown: at - STEP, ArrowRight: at + STEP, ArrowUp: at + STEP, Home: 0, End: 100,
    }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    move(to);
  });

  let from = null;
  const follow = (event) => {
    const box = frame.getBoundingClientRect();
    move((100 * (event.clientX - box.left)) / box.width);
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    from = event.clientX;
    setDragged(false);
    frame.setPointerCapture(event.pointerId);
    if (!opens) follow(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (from === null) return;
    if (Math.abs(event.clientX - from) > DRAG) {
      from = -Infinity; // from here on it is a drag, even back to where it began
      setDragged(true);
    }
    if (from === -Infinity || !opens) follow(event);
  });
  for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => (from = null));
}

// ---- Words beside a picture

function facts(entry) {
  const said = entry.outcome === "done" ? [] : [entry.outcome];
  if (entry.preset) said.push(entry.preset);
  if (entry.preset && entry.amount !== 1) said.push("amount " + entry.amount);
  if (entry.preset && entry.detail !== 1) said.push("detail " + entry.detail);
  if (entry.megapixels) said.push(entry.megapixels.toFixed(1) + " MP");
  if (entry.seconds) said.push(entry.seconds.toFixed(entry.seconds < 10 ? 2 : 0) + " s");
  return make("p", { className: "quiet", textContent: said.join(" · ") });
}

function notes(entry) {
  if (!entry.reason && !entry.notices.length) return null;
  const reason = entry.reason && make("li", { className: "reason", textContent: entry.reason });
  return make("ul", { className: "notes" }, reason, ...entry.notices.map((textContent) => make("li", { textContent })));
}

function links(entry, open) {
  const to = (file, textContent) =>
    make("a", { href: file.url, textContent, title: file.name, target: "_blank", rel: "noopener", ariaLabel: textContent + ": " + file.name });
  const ending = (file) => " " + file.name.split(".").pop().toUpperCase();
  const larger = open && make("button", { type: "button", textContent: "Enlarge", ariaLabel: "Enlarge " + entry.name });
  larger?.addEventListener("click", open);
  const results = entry.outputs.map((file) => to(file, "Result" + (entry.outputs.length > 1 ? ending(file) : "")));
  return make("p", { className: "links" }, larger, entry.source && to(entry.source, "Original"), ...results);
}

// ---- Cards

const cards = byId("cards");
const made = new Map(); // an entry's number: its card
const near = new Set(); // numbers of cards near the window that still wait for their pictures
let chosen = []; // numbers of the entries that pass the filters
let dealt = 0; // how many of them have a card

function card(number) {
  const entry = entries[number];
  const pictured = entry.before || entry.after;
  const open = pictured ? () => enlarge(number) : null;
  const item = make("li", { className: "card " + entry.outcome });
  item.dataset.number = number;
  if (pictured) {
    item.comparison = comparison(entry, open);
    item.append(make("div", { className: "mat" }, item.comparison.frame));
  }
  const folder = entry.folder && make("p", { className: "quiet folder", textContent: entry.folder });
  const name = make("h2", { textContent: entry.name });
  item.append(make("div", { className: "words" }, name, folder, facts(entry), notes(entry), links(entry, open)));
  return item;
}

function fill(number) {
  const sources = pictures(number);
  if (!sources) return;
  near.delete(number);
  const { images } = made.get(number).comparison;
  for (const side in images) images[side].src = sources[side === "before" ? 0 : 1];
}

const nearness = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) {
    const number = Number(target.dataset.number);
    if (isIntersecting && made.has(number)) {
      near.add(number);
      fill(number);
    } else {
      near.delete(number);
      for (const image of Object.values(target.comparison.images)) image.removeAttribute("src");
    }
  }
}, { rootMargin: "100% 0%" });

// While the page is being read its pictures arrive one by one; a block is whole once the next one has begun.
const arrivals = new MutationObserver(() => near.forEach(fill));
arrivals.observe(document.body, { childList: true });
document.addEventListener("DOMContentLoaded", () => {
  arrivals.disconnect();
  near.forEach(fill);
});

function deal() {
  const numbers = chosen.slice(dealt, dealt + BATCH);
  for (const number of numbers) made.set(number, card(number));
  cards.append(...numbers.map((number) => made.get(number)));
  for (const number of numbers) if (made.get(number).comparison) nearness.observe(made.get(number));
  dealt += numbers.length;
  ending.unobserve(byId("more"));
  if (dealt < chosen.length) ending.observe(byId("more")); // once more, should it still be near
}

const ending = new IntersectionObserver((changes) => changes.some((change) => change.isIntersecting) && deal(), {
  rootMargin: "200% 0%",
});

// ---- Filters

const NOTED = "with notes";
const form = byId("filters");

function offer(select, values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const sorted = [...counts].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  select.append(...sorted.map(([value, count]) => make("option", { value, textContent: `${value} (${count.toLocaleString("en")})` })));
  select.parentElement.hidden = counts.size === 0;
}

function passes(entry) {
  const { folder, outcome, preset, name } = form.elements;
  const noted = entry.outcome === outcome.value || (outcome.value === NOTED && entry.notices.length > 0);
  return (
    (!folder.value || entry.folder === folder.value || entry.folder.startsWith(folder.value + "/")) &&
    (!outcome.value || noted) &&
    (!preset.value || entry.preset === preset.value) &&
    entry.name.toLowerCase().includes(name.value.trim().toLowerCase())
  );
}

function choose() {
  chosen = [...entries.keys()].filter((number) => passes(entries[number]));
  nearness.disconnect();
  near.clear();
  made.clear();
  cards.replaceChildren();
  dealt = 0;
  deal();
  const top = cards.offsetTop - form.offsetHeight; // the first card, below the filters that stay in sight
  if (scrollY > top) scrollTo(0, top);
  const all = entries.length.toLocaleString("en");
  const some = chosen.length === entries.length ? all : chosen.length.toLocaleString("en") + " of " + all;
  byId("count").textContent = some + (entries.length === 1 ? " photograph" : " photographs");
  byId("nothing").hidden = chosen.length > 0;
}

offer(form.elements.folder, entries.flatMap(folders));
offer(form.elements.outcome, entries.flatMap((entry) => [entry.outcome, ...(entry.notices.length ? [NOTED] : [])]));
offer(form.elements.preset, entries.map((entry) => entry.preset).filter(Boolean));
form.elements.name.addEventListener("input", choose);
for (const select of form.querySelectorAll("select")) select.addEventListener("change", choose);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(choose)); // the fields are empty only after this event

// ---- The large view

const large = byId("large");
let opened = -1; // the number of the photograph in it

const pictured = (number) => entries[number].before || entries[number].after;

// The photograph itself where a browser can show it; until it is there, and where it cannot be had, the small picture.
// Returns what has to be said of a side that stays small beside one that does not.
function sharpen(entry, images) {
  const files = { before: entry.source, after: entry.outputs.find((file) => file.seen) ?? entry.outputs[0] };
  const sides = Object.keys(images);
  for (const side of sides) {
    if (!files[side]?.seen) continue;
    const whole = make("img", { src: files[side].url });
    whole.decode().then(() => (images[side].src = whole.src), () => {});
  }
  const small = sides.filter((side) => !files[side]?.seen);
  if (small.length !== 1 || sides.length === 1) return "";
  const what = small[0][0].toUpperCase() + small[0].slice(1);
  return make("p", { className: "quiet", textContent: what + " is a small picture enlarged: browsers do not show such files." });
}

function enlarge(number) {
  const entry = entries[number];
  const sources = pictures(number);
  if (!sources) return; // not read yet
  opened = number;
  const { frame, images } = comparison(entry, null);
  for (const side in images) images[side].src = sources[side === "before" ? 0 : 1];
  byId("large-name").textContent = entry.name;
  byId("large-place").textContent = `${chosen.indexOf(number) + 1} of ${chosen.length}`;
  large.querySelector(".mat").replaceChildren(frame);
  byId("large-words").replaceChildren(facts(entry), links(entry, null), sharpen(entry, images), notes(entry) ?? "");
  byId("previous").disabled = step(-1) === undefined;
  byId("next").disabled = step(1) === undefined;
  if (!large.open) large.showModal();
  frame.focus();
}

function step(by) {
  let place = chosen.indexOf(opened) + by;
  while (chosen[place] !== undefined && !pictured(chosen[place])) place += by;
  return chosen[place];
}

function turn(by) {
  const number = step(by);
  if (number !== undefined) enlarge(number);
}

byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
byId("close").addEventListener("click", () => large.close());
large.addEventListener("keydown", (event) => {
  if (event.key !== "PageUp" && event.key !== "PageDown") return;
  event.preventDefault();
  turn(event.key === "PageUp" ? -1 : 1);
});
large.addEventListener("close", () => {
  large.querySelector(".mat").replaceChildren(); // a photograph of 100 megapixels need not stay in memory
  while (!made.has(opened) && dealt < chosen.length) deal();
  made.get(opened)?.comparison.frame.focus();
});

choose();
