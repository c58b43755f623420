"use strict";
const rows = [...document.querySelectorAll(".row")];
const radio = (row, n) => row.querySelectorAll("input")[n];
const relabel = 1;
let saved = true;

function action(row) {
  const chosen = row.querySelector("input:checked");
  return chosen === radio(row, relabel) ? row.querySelector("select").value : chosen.value;
}

function show() {
  let changed = 0;
  for (const row of rows) {
    const isNew = radio(row, relabel).checked;
    const isOut = radio(row, 2).checked;
    row.classList.toggle("relabel", isNew);
    row.classList.toggle("remove", isOut);
    changed += isNew || isOut;
  }
  document.querySelector("output").textContent = `${changed} of ${rows.length} to change`;
}

function choose(row, n) {
  if (n === relabel && !row.querySelector("option")) return;
  radio(row, n).checked = true;
  saved = false;
  show();
}

function go(row) {
  row.focus({preventScroll: true});
  row.scrollIntoView({block: "nearest"});
}

document.addEventListener("change", (event) => {
  const row = event.target.closest(".row");
  if (event.target.matches("select")) choose(row, relabel);
  saved = false;
  show();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input")) {
    if (!event.target.matches("input") || !"jk123".includes(event.key)) return;
  }
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const step = {ArrowDown: 1, j: 1, ArrowUp: -1, k: -1}[event.key];
  if (step !== undefined) {
    event.preventDefault();
    const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + step))];
    if (next) go(next);
  } else if (at >= 0 && "123".includes(event.key)) {
    event.preventDefault();
    choose(rows[at], Number(event.key) - 1);
  }
});

document.querySelector("button").addEventListener("click", () => {
  const lines = [document.body.dataset.header, ...rows.map((row) => row.dataset.start + action(row))];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], {type: "text/csv"}));
  link.download = "fixes.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  saved = true;
});

window.addEventListener("beforeunload", (event) => {
  if (!saved) event.preventDefault();
});
show();
