// Draws each attention in the page: small maps of all heads, and the chosen one large.
"use strict";
for (const place of document.querySelectorAll(".explanation .attention")) {
  const { layers, heads, tokens, maps } = JSON.parse(place.querySelector("script").textContent);
  const roots = Uint8Array.from(atob(maps), (c) => c.charCodeAt(0)); // of probabilities, times 255
  const size = tokens.length;
  const cell = size <= 40 ? 20 : size <= 80 ? 17 : size <= 160 ? 14 : 12;
  const tint = getComputedStyle(place).getPropertyValue("--tint").split(",").map(Number);

  const made = (name, parent, properties = {}) => parent.appendChild(Object.assign(document.createElement(name), properties));
  const of = (layer, head) => roots.subarray((layer * heads + head) * size * size, (layer * heads + head + 1) * size * size);
  const paint = (canvas, values) => {
    canvas.width = canvas.height = size;
    const image = new ImageData(size, size);
    values.forEach((value, i) => image.data.set([...tint, value], 4 * i));
    canvas.getContext("2d").putImageData(image, 0, 0);
  };

  const small = made("div", place, { className: "heads" });
  small.style.gridTemplateColumns = `auto repeat(${heads}, 56px)`;
  made("span", small, { textContent: "layer \\ head" });
  for (let head = 0; head < heads; head++) made("span", small, { textContent: head + 1 });
  const buttons = [];
  for (let layer = 0; layer < layers; layer++) {
    made("span", small, { textContent: layer + 1 });
    for (let head = 0; head < heads; head++) {
      const button = made("button", small, { type: "button", title: `layer ${layer + 1}, head ${head + 1}` });
      button.setAttribute("aria-label", button.title);
      paint(made("canvas", button), of(layer, head));
      button.addEventListener("click", () => choose(layer, head));
      buttons.push(button);
    }
  }

  const line = made("p", place, { className: "chosen" });
  const name = made("strong", line);
  const said = made("output", line);
  const scroll = made("div", place, { className: "scroll", tabIndex: 0 });
  const board = made("div", scroll, { className: "board" });
  board.style.setProperty("--cell", `${cell}px`);
  made("div", board, { className: "corner" });
  const across = made("div", board, { className: "across" });
  const down = made("div", board, { className: "down" });
  const canvas = made("canvas", board);
  canvas.style.width = canvas.style.height = `${size * cell}px`;
  for (const side of [across, down]) for (const token of tokens) made("span", side, { textContent: token, title: token });

  let values, marked = [];
  const choose = (layer, head) => {
    values = of(layer, head);
    paint(canvas, values);
    name.textContent = `Layer ${layer + 1}, head ${head + 1}`;
    said.textContent = "hover over a square to see its value";
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === layer * heads + head));
  };
  const point = (event) => {
    const [row, column] = [event.offsetY, event.offsetX].map((at) => Math.min(size - 1, Math.max(0, Math.floor(at / cell))));
    marked.forEach((label) => label.classList.remove("on"));
    marked = [down.children[row], across.children[column]];
    marked.forEach((label) => label.classList.add("on"));
    const percent = 100 * (values[row * size + column] / 255) ** 2;
    said.textContent = `${tokens[row]} (${row + 1}) attends to ${tokens[column]} (${column + 1}): ${percent.toFixed(1)} %`;
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  choose(layers - 1, 0);
}
