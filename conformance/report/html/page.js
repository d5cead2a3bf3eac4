"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const STATUSES = ["passed", "failed", "remark", "not judged", "not provided", "undeclared"];
  const SIGNS = { passed: "✓ passed", failed: "✗ failed", remark: "! right, with a remark", "not judged": "… not judged", "not provided": "– not provided, as declared", undeclared: "? left out without a word" };
  const get = (id) => document.getElementById(id);
  const dialog = get("numbers");
  for (const element of document.querySelectorAll(".scripted, .copy")) element.hidden = false;

  // What a cell stands for.

  function facts(cell) {
    const grid = cell.closest("table").id, { columns, rows } = data.grids[grid];
    const row = rows[cell.parentNode.dataset.r], column = cell.cellIndex - 1;
    const [name, dtype] = columns[column], id = row.ids[dtype], check = row.checks[column];
    const trial = grid === "matrix" ? id : "";
    return { trial, row, name, check, id: trial ? `${id}:${name}` : id };
  }

  const NOT_FINITE = { nan: NaN, inf: Infinity, "-inf": -Infinity };
  const value = (number) => NOT_FINITE[number] ?? number;
  const written = (number) => String(value(number)).replace("Infinity", "infinite");
  function rounded(number) {
    const share = value(number);
    if (!Number.isFinite(share)) return written(number);
    return share >= 1e5 || (share > 0 && share < 1e-3) ? share.toExponential(3) : String(Number(share.toPrecision(4)));
  }

  function numbers(check) {
    const [, wrong, total, index, share, expected, actual, allowed] = check;
    if (total === 0) return [["numbers", "none: the array is empty"]];
    const error = Math.abs(value(actual) - value(expected));
    return [
      ["worst at", index],
      ["expected", written(expected)],
      ["actual", written(actual)],
      ["error", Number.isNaN(error) ? (share === 0 ? "0" : "infinite") : written(error)],
      ["allowed", written(allowed)],
      ["error / allowed", rounded(share)],
      ["wrong numbers", `${wrong} of ${total}`],
    ];
  }

  // The numbers of a cell in a dialog.

  let opened = null, fromGrid = false;

  function fill(cell) {
    opened = cell;
    const { trial, row, name, check, id } = facts(cell);
    const status = check ? STATUSES[check[0]] : "";
    const told = check && check.length > 2;
    get("status").textContent = check ? SIGNS[status] : "nothing to compare";
    get("status").className = status.split(" ")[0];
    get("check").textContent = trial ? `${name} in ${trial}` : id.replace("behaviour:", "");
    const sizes = `B=${row.sizes[0]} T=${row.sizes[1]} D=${row.sizes[2]} H=${row.sizes[3]}`;
    get("note").textContent = [row.by, sizes].filter(Boolean).join(", ") + (row.note ? `. ${data.texts[row.note]}` : "");
    const message = check ? (told ? "" : data.texts[check[1]]) : `This case has no bias, so that there is no ${name}.`;
    get("message").textContent = message;
    get("message").hidden = !message;
    get("values").replaceChildren(...(told ? numbers(check) : []).flatMap(([term, text]) => {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = text;
      return [dt, dd];
    }));
    get("values").hidden = !told;
    get("repeat").hidden = !trial || !check;
    get("repeat").firstElementChild.textContent = `${data.repeat} ${trial}`;
    history.replaceState(null, "", `#${id}`);
  }

  function open(cell) {
    fill(cell);
    if (dialog.open) return;
    fromGrid = document.activeElement.matches("[role=grid] td");
    dialog.showModal();
  }

  dialog.addEventListener("close", () => {
    if (fromGrid) focus(opened); // elsewhere the browser goes back to the link
    history.replaceState(null, "", location.pathname + location.search);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow")) return;
    const next = moved(opened, event);
    event.preventDefault();
    fill(next);
    focus(next, false);
  });

  // Grids: one cell can be reached with Tab, the arrow keys go on from there.

  const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], PageUp: [-10, 0], PageDown: [10, 0], Home: [0, -Infinity], End: [0, Infinity] };
  const shown = (grid) => [...grid.querySelectorAll("tr[data-r]")].filter((row) => !row.hidden);
  const clamp = (number, most) => Math.max(0, Math.min(number, most));

  function moved(cell, event) {
    const [down, right] = MOVES[event.key];
    const rows = shown(cell.closest("table"));
    const far = event.ctrlKey && right ? right : 0;
    const row = rows[clamp(rows.indexOf(cell.parentNode) + down + far, rows.length - 1)];
    return row.cells[1 + clamp(cell.cellIndex - 1 + right, row.cells.length - 2)];
  }

  function described(cell) {
    const { name, check, trial, id } = facts(cell);
    const share = check && check.length > 2 ? `, error ${cell.textContent} of the allowed` : "";
    const words = check ? STATUSES[check[0]] : "does not apply";
    return `${trial ? `${name} in ${trial}` : id.replace("behaviour:", "")}: ${words}${share}`;
  }

  function reach(cell) {
    for (const old of cell.closest("table").querySelectorAll("td[tabindex='0']")) old.tabIndex = -1;
    cell.tabIndex = 0;
    cell.setAttribute("aria-label", described(cell));
    cell.setAttribute("aria-haspopup", "dialog");
  }

  function focus(cell, too = true) {
    reach(cell);
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (too) cell.focus({ preventScroll: true });
  }

  for (const grid of document.querySelectorAll("table[role=grid]")) {
    const first = grid.querySelector("tr[data-r] td");
    if (first) reach(first);
    grid.addEventListener("click", (event) => {
      const cell = event.target.closest("td");
      if (!cell) return;
      focus(cell);
      open(cell);
    });
    grid.addEventListener("keydown", (event) => {
      const cell = event.target.closest("td");
      if (!cell) return;
      if (event.key === "Enter" || event.key === " ") open(cell);
      else if (event.key in MOVES) focus(moved(cell, event));
      else return;
      event.preventDefault();
    });
  }

  // Links to checks, and addresses that end in one.

  const cells = new Map();
  for (const cell of document.querySelectorAll("table[role=grid] tr[data-r] td")) {
    const { check, id } = facts(cell);
    if (check) cells.set(id, cell);
  }
  function follow(hash) {
    const cell = cells.get(decodeURIComponent(hash.slice(1)));
    if (cell) open(cell);
    return Boolean(cell);
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.check");
    if (link && follow(link.hash)) event.preventDefault();
  });
  addEventListener("hashchange", () => follow(location.hash));
  follow(location.hash);

  // Which rows of the matrix are shown.

  const rows = [...document.querySelectorAll("#matrix tr[data-r]")];
  const bad = rows.filter((row) => row.classList.contains("bad"));
  get("failing").parentNode.hidden = bad.length === 0 || bad.length === rows.length;
  function filter() {
    const word = get("named").value.trim().toLowerCase(), failing = get("failing").checked;
    for (const row of rows) {
      row.hidden = !row.cells[0].title.toLowerCase().includes(word) || (failing && !row.classList.contains("bad"));
    }
    for (const head of document.querySelectorAll("#matrix .oracle")) {
      head.hidden = ![...head.parentNode.rows].some((row) => row !== head && !row.hidden);
    }
    const left = rows.filter((row) => !row.hidden);
    get("count").textContent = left.length < rows.length ? `${left.length} of ${rows.length} cases` : "";
    if (left.length && !left.some((row) => row.querySelector("td[tabindex='0']"))) reach(left[0].cells[1]);
  }
  get("named").addEventListener("input", filter);
  get("failing").addEventListener("change", filter);
  get("named").form.addEventListener("submit", (event) => event.preventDefault());

  // A heat map's number under the pointer, from all three maps of its face.

  for (const figure of document.querySelectorAll(".tensors")) {
    figure.addEventListener("pointerover", (event) => {
      const cell = event.target.closest("tbody td");
      const readout = figure.querySelector(".readout");
      if (!cell || !readout) return;
      const row = cell.parentNode, map = cell.closest(".map"), face = cell.closest(".face");
      const texts = [...face.querySelectorAll(".map")].map((each) => {
        const name = each.querySelector("caption").textContent;
        return `${name} ${each.querySelector("tbody").rows[row.sectionRowIndex].cells[cell.cellIndex].textContent}`;
      });
      const title = face.querySelector("h4")?.textContent;
      const column = map.dataset.columns?.split(" ")[cell.cellIndex - 1] ?? map.querySelector("thead tr:last-child").cells[cell.cellIndex].textContent;
      const gates = [...map.querySelectorAll("thead th[colspan]")].flatMap((head) => Array(head.colSpan).fill(`gate=${head.textContent}`));
      const where = [title, row.cells[0].textContent, column, gates[cell.cellIndex - 1]].filter(Boolean).join(" ");
      readout.textContent = `${where}: ${texts.join(", ")}`;
    });
  }

  // The plot's numbers under the pointer.

  for (const plot of document.querySelectorAll(".plot")) {
    const steps = plot.querySelector("tbody").rows, heads = plot.querySelector("thead tr").cells;
    plot.querySelector(".drawn").addEventListener("pointermove", (event) => {
      const svg = event.target.closest("svg");
      if (!svg) return;
      const from = Number(svg.dataset.from), to = Number(svg.dataset.to);
      const x = (event.offsetX / svg.clientWidth) * svg.viewBox.baseVal.width + svg.viewBox.baseVal.x;
      const t = clamp(Math.round(((x - from) / (to - from)) * (steps.length - 1)), steps.length - 1);
      const at = from + ((to - from) * t) / (steps.length - 1), cursor = svg.querySelector(".cursor");
      cursor.setAttribute("x1", at);
      cursor.setAttribute("x2", at);
      cursor.style.visibility = "visible";
      const texts = [...steps[t].cells].slice(1).map((cell, k) => `${heads[k + 1].textContent} ${cell.textContent}`);
      plot.querySelector(".readout").textContent = `t=${t}: ${texts.join(", ")}`;
    });
  }

  // Copying; where the clipboard is not to be had, the text is selected instead.

  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
})();
