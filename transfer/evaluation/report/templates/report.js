"use strict";
// Tables are sorted by a click on a heading; Escape closes a box, and the focus returns to its link.
let opener = null;

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (link && !link.closest(".box")) opener = link;
});
addEventListener("hashchange", () => {
  const box = document.querySelector(".box:target");
  if (box) box.querySelector(".close").focus();
  else if (opener && location.hash === "#-") opener.focus({ preventScroll: true });
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.querySelector(".box:target")) location.hash = "#-";
});

const value = (row, column) => {
  const cell = row.cells[column];
  const text = cell.textContent.trim();
  const number = parseFloat(text);
  return column === 0 ? text : Number.isNaN(number) ? -1 : number;
};

for (const table of document.querySelectorAll(".sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.tagName !== "TH") return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
      rows.sort(([a], [b]) => (column ? a - b : a.localeCompare(b, undefined, { numeric: true })));
      if (up) rows.reverse();
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}
