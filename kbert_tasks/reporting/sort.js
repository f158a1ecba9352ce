// Tables with class "sortable": a click on a column's name sorts by it, a second one the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const key = (row, i) => {
    const text = row.cells[i].textContent.trim(), number = parseFloat(text.replace(/,/g, ""));
    return row.cells[i].classList.contains("number") ? (isNaN(number) ? -Infinity : number) : text;
  };
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.onclick = () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a, i), y = key(b, i);
        const order = typeof x === "number" && typeof y === "number" ? (x < y ? -1 : x > y ? 1 : 0)
          : String(x).localeCompare(String(y));
        return down ? -order : order;
      });
      body.append(...rows);
    };
  });
}
