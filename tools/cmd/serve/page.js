// The page of weft serve: sends photographs to POST /predict and shows the reply.
"use strict";
const KEPT = 20, LONGEST = 1600; // results on the page; pixels of a side, where one is reduced
const READABLE = ["image/jpeg", "image/png", "image/x-portable-pixmap",
  "image/x-portable-graymap", "image/x-portable-bitmap", ""];
const at = id => document.getElementById(id);
const most = Number(document.querySelector("main").dataset.most);

// `kind`: "wrong", or "done", which the page shows in another place too.
function report(text, kind = "") {
  at("status").textContent = text;
  at("status").className = kind;
}

// A photograph that is too large, or of another format, as a PNG or JPEG that the browser makes.
async function readable(file) {
  if (READABLE.includes(file.type) && file.size <= most)
    return file;
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const made = await new Promise(done => canvas.toBlob(done, "image/jpeg", 0.95));
  if (!made || made.size > most)
    throw new Error("it is too large");
  return made;
}

function figure(source, caption, detail) {
  const made = document.createElement("figure"), image = new Image();
  const text = document.createElement("figcaption");
  image.alt = detail ? `${caption}: ${detail}` : caption;
  image.onload = () => image.classList.toggle("pixels", image.naturalHeight < 100);
  image.onerror = () => made.remove(); // a format that the browser does not show
  image.src = source;
  text.textContent = caption;
  made.append(image, text);
  return made;
}

function percent(value) {
  return `${(100 * value).toFixed(1)}\u00a0%`;
}

function row(guess) {
  const made = document.createElement("tr"), name = document.createElement("th");
  const cell = document.createElement("td"), track = document.createElement("div");
  const bar = document.createElement("div"), value = document.createElement("td");
  name.scope = "row";
  name.textContent = guess.class;
  track.className = "track";
  bar.className = "bar c0";
  bar.style.width = `${100 * guess.probability}%`;
  track.append(bar);
  cell.append(track);
  cell.setAttribute("aria-hidden", "true");
  value.className = "n";
  value.textContent = percent(guess.probability);
  made.append(name, cell, value);
  return made;
}

function show(file, image) {
  const made = at("result").content.cloneNode(true).firstElementChild;
  const find = name => made.querySelector(name);
  const best = image.predictions[0];
  const answer = `${best.class}, ${percent(best.probability)}`;
  find(".answer").textContent = image.sure ? answer : `Not sure. Perhaps ${answer}`;
  find(".unsure").hidden = image.sure;
  find(".uneven").hidden = !image.uneven_background;
  find(".notes").textContent = [file.name, image.inverted && "inverted", image.cropped && "cropped"]
    .filter(Boolean).join("; ");
  const address = URL.createObjectURL(file);
  find(".seen").append(figure(address, "Photograph", file.name || ""));
  if (image.input)
    find(".seen").append(figure(image.input, "What the network sees"));
  find("tbody").append(...image.predictions.map(row));
  at("results").prepend(made);
  while (at("results").children.length > KEPT)
    at("results").lastElementChild.remove();
  report(find(".answer").textContent, "done");
  made.focus({preventScroll: true});
  made.scrollIntoView({block: "nearest"});
  return made;
}

async function ask(sent, query) {
  const reply = await fetch(`predict?${query}`, {method: "POST", body: sent});
  const result = await reply.json();
  if (!reply.ok)
    throw new Error(result.error || result.images[0].error);
  return result.images[0];
}

// What the network looks at takes longer, and comes after the answer.
async function look(sent, shown) {
  const evidence = shown.querySelector(".evidence");
  evidence.textContent = "Looking for the evidence ...";
  try {
    const image = await ask(sent, "top=1&heat");
    evidence.textContent = image.evidence || `No heat map: ${image.heat_error}`;
    if (image.heat)
      shown.querySelector(".seen").append(figure(image.heat, "What it looks at: orange speaks for the answer, blue against it",
        image.evidence));
  } catch (error) {
    evidence.textContent = "No heat map: the server does not make one now.";
  }
}

async function classify(file) {
  report(`Looking at ${file.name || "the photograph"} ...`);
  try {
    const sent = await readable(file);
    const image = await ask(sent, "top=5&input");
    look(sent, show(sent.name ? sent : new File([sent], file.name || ""), image));
  } catch (error) {
    const why = error instanceof TypeError
      ? "The server does not answer. Is it running?"
      : `${file.name || "The photograph"} cannot be read: ${error.message}`;
    report(why, "wrong");
  }
}

async function all(files) {
  for (const file of files)
    await classify(file);
}

for (const id of ["file", "camera"])
  at(id).addEventListener("change", async event => {
    await all([...event.target.files]);
    event.target.value = "";
  });
at("form").addEventListener("submit", event => event.preventDefault());
for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
  document.addEventListener(kind, event => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
  });
document.addEventListener("drop", event => all([...event.dataTransfer.files]));
document.addEventListener("paste", event => all([...event.clipboardData.files]));
