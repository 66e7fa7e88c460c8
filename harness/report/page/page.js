// SPDX-License-Identifier: GPL-2.0-only
// The script of the report. It makes elements and text, never HTML: what a guest wrote stays text.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const text = (place) => data.texts[place || 0];
  const texts = (places) => (places || []).map(text);
  const byId = (id) => document.getElementById(id);

  const LETTERS = { held: "H", leaked: "L", disrupted: "D", tampered: "T", "n/a": "–", error: "E" };
  const FINDINGS = {
    unexpected: "not as expected",
    hole: "known hole",
    differs: "differs between variants",
    worse: "worse than kthread",
    unhooked: "won, met no hook that can refuse",
    flaky: "flaky",
  };
  const DEFAULTS = { view: "matrix", cell: "", q: "", class: "", variant: "", axis: "", verdict: "", only: "" };

  // ---- the data, made easy to search -------------------------------------------------------------

  const scenarios = new Map(data.scenarios.map((one) => [one.name, one]));
  const cells = new Map();
  for (const row of data.rows) {
    row.about = scenarios.get(row.scenario);
    row.words = [row.scenario, row.line, row.about.class, row.about.surface, ...row.about.about].join("\n").toLowerCase();
    row.differs = new Set(row.cells.map((cell) => `${cell.verdict} ${cell.lost || ""}`)).size > 1;
    row.byVariant = new Map(row.cells.map((cell) => [cell.variant, cell]));
    for (const cell of row.cells) {
      cell.row = row;
      cells.set(cell.id, cell);
    }
  }
  const wordsOf = (cell) => (cell.words ??= [
    cell.variant, cell.verdict, ...(cell.lost || []), text(cell.detail), text(cell.hole), text(cell.end), ...texts(cell.gained),
    ...texts(cell.hooks), ...texts(cell.calls), ...texts(cell.console),
  ].join("\n").toLowerCase());
  const isFound = {
    unexpected: (cell) => cell.unexpected,
    hole: (cell) => cell.hole,
    differs: (cell) => cell.row.differs,
    worse: (cell) => cell.row.worse?.length && ["isolated", "kthread"].includes(cell.variant),
    unhooked: (cell) => cell.unhooked,
    flaky: (cell) => cell.flaky,
  };

  // ---- elements ----------------------------------------------------------------------------------

  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === true) element.setAttribute(key, "");
      else if (value !== false && value != null && value !== "") element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child != null && child !== ""));
    return element;
  }
  const list = (kind, lines) => lines.length ? make("pre", { class: kind, tabindex: 0 }, lines.join("\n")) : "";
  const titled = (level, head, ...children) => {
    const body = children.filter((child) => child != null && child !== "");
    return body.length ? [make(level, {}, head), ...body] : [];
  };

  function kindOf(cell) {
    const kind = ["v", cell.verdict === "n/a" ? "na" : cell.verdict];
    if (cell.hole) kind.push("hole");
    if (cell.unexpected) kind.push("unexpected");
    return kind.join(" ");
  }
  const marks = (cell) =>
    (cell.unexpected ? "!" : "") + (cell.hole ? "°" : "") + (cell.gained ? "+" : "") + (cell.flaky ? "~" : "");
  function said(cell) {
    return [
      cell.verdict, cell.unexpected ? `not as expected (${cell.expected})` : "", cell.hole ? "known hole" : "",
      cell.gained ? "gained a step" : "", cell.tries ? `won ${cell.tries} tries` : "", cell.rounds ? `round ${cell.rounds}` : "",
      cell.repeats || "", cell.kept ? `kept from ${text(cell.kept)}` : "", text(cell.detail),
    ].filter(Boolean).join(", ");
  }

  // ---- the state, which is in the address ----------------------------------------------------------

  const tabs = new Map([...document.querySelectorAll("nav a")].map((link) => [link.dataset.view, link.textContent]));
  const sectionOf = (state) => (state.cell ? "cell" : state.view); // a cell keeps the view that led to it
  function stateOf(hash) {
    const found = new URLSearchParams(hash.replace(/^#/, ""));
    const state = { ...DEFAULTS };
    for (const key of Object.keys(DEFAULTS)) if (found.has(key)) state[key] = found.get(key);
    if (!tabs.has(state.view)) state.view = "matrix";
    return state;
  }
  function addressOf(state) {
    const kept = Object.entries(state).filter(([key, value]) => value !== DEFAULTS[key]);
    return "#" + new URLSearchParams(kept).toString();
  }
  let state = stateOf(location.hash);
  let focused = null; // the cell whose link had the focus
  const go = (change) => {
    history.pushState(null, "", addressOf({ ...state, ...change }));
    show();
  };

  // ---- the matrix ----------------------------------------------------------------------------------

  const matrix = byId("matrix");
  const shownVariants = () => data.variants.filter((name) => !state.variant || name === state.variant);

  function buildMatrix() {
    const head = make("tr", {}, make("th", { scope: "col" }, "scenario"),
      ...data.variants.map((name) => make("th", { scope: "col", "data-variant": name }, make("span", {}, ...name.split(/(?<=-)/).flatMap((word) => [word, make("wbr")])))));
    matrix.append(make("thead", {}, head));
    const hasLines = new Set(data.rows.map((row) => row.line)).size > 1;
    const named = (row, name) => (hasLines ? `${row.line} ${name}` : name);
    let body, name;
    for (const row of data.rows) {
      if (named(row, row.about.class) !== name) {
        name = named(row, row.about.class);
        body = make("tbody", {}, make("tr", {}, make("th", { class: "class", scope: "rowgroup", colspan: data.variants.length + 1 },
          make("span", {}, name, make("span", { class: "count" })))));
        matrix.append(body);
      }
      row.element = make("tr", {}, make("th", { scope: "row" }, make("span", { class: "mono" }, named(row, row.scenario)),
        make("span", { class: "about", title: row.about.about[0] }, row.about.about[0])), ...data.variants.map((variant) => entry(row, variant)));
      row.body = body;
      body.append(row.element);
    }
    const first = matrix.querySelector("td a");
    if (first) first.tabIndex = 0;
  }
  function entry(row, variant) {
    const cell = row.byVariant.get(variant);
    if (!cell) return make("td", { "data-variant": variant });
    const link = make("a", {
      class: kindOf(cell), href: `#cell=${encodeURIComponent(cell.id)}`, tabindex: -1, title: said(cell),
      "aria-label": `${LETTERS[cell.verdict]}${marks(cell)} ${row.scenario} on ${variant}: ${said(cell)}`,
    }, LETTERS[cell.verdict] + marks(cell));
    cell.link = link;
    cell.entry = make("td", { "data-variant": variant }, link);
    return cell.entry;
  }

  const isRequirement = (word) => /^[rtcl]\d+$/.test(word);
  function matcher() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = state.verdict ? state.verdict.split(",") : [];
    const only = state.only ? state.only.split(",").filter((name) => name in isFound) : [];
    const hasWord = (row, cell) => (word) => isRequirement(word)
      ? row.about.answers.some((one) => one.toLowerCase() === word)
      : row.words.includes(word) || wordsOf(cell).includes(word);
    return (row, cell) =>
      (!state.class || row.about.class === state.class) && (!state.variant || cell.variant === state.variant) &&
      (!verdicts.length || verdicts.includes(cell.verdict)) && (!state.axis || (cell.lost || []).includes(state.axis)) &&
      only.every((name) => isFound[name](cell)) && words.every(hasWord(row, cell));
  }

  function filterMatrix() {
    const matches = matcher();
    let rows = 0, found = 0;
    const inClass = new Map();
    for (const row of data.rows) {
      let any = false;
      for (const cell of row.cells) {
        const ok = matches(row, cell);
        cell.entry.classList.toggle("pale", !ok);
        any ||= ok;
        found += ok;
      }
      row.element.hidden = !any;
      rows += any;
      inClass.set(row.body, (inClass.get(row.body) || 0) + any);
    }
    for (const [body, count] of inClass) {
      body.hidden = !count;
      body.querySelector(".count").textContent = String(count);
    }
    const visible = new Set(shownVariants());
    for (const one of matrix.querySelectorAll("[data-variant]")) one.hidden = !visible.has(one.dataset.variant);
    const all = `${data.rows.length} scenarios and ${cells.size} cells`;
    byId("status").textContent = found === cells.size ? all
      : found ? `${rows} of ${data.rows.length} scenarios, ${found} of ${cells.size} cells` : `No cell matches; there are ${all}.`;
    const target = matrix.querySelector('td a[tabindex="0"]');
    if (target && target.offsetParent === null) roveTo([...matrix.querySelectorAll("td a")].find((one) => one.offsetParent !== null), false);
  }

  function roveTo(link, focus = true) {
    if (!link) return;
    for (const one of matrix.querySelectorAll('td a[tabindex="0"]')) one.tabIndex = -1;
    link.tabIndex = 0;
    if (focus) link.focus();
  }
  function move(event, across, down) {
    const entry = event.target.closest("td");
    const variants = shownVariants();
    const rows = [...matrix.querySelectorAll("tbody:not([hidden]) > tr:not([hidden])")].filter((row) => row.querySelector("td"));
    let column = variants.indexOf(entry.dataset.variant), line = rows.indexOf(entry.parentElement);
    for (;;) {
      column += across;
      line += down;
      if (!(column in variants) || !(line in rows)) return;
      const link = rows[line].querySelector(`td[data-variant="${CSS.escape(variants[column])}"] a`);
      if (link) return roveTo(link);
    }
  }
  matrix.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way || !event.target.closest("td") || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    move(event, ...way);
  });

  // ---- the filters ---------------------------------------------------------------------------------

  const form = byId("filters");
  function buildFilters() {
    const choose = (name, values) => form.elements[name].append(...values.map((value) => make("option", { value }, value)));
    choose("class", [...new Set(data.rows.map((row) => row.about.class))]);
    choose("variant", data.variants);
    const every = [...cells.values()];
    const box = (name, value, label, count) => make("label", {}, make("input", { type: "checkbox", name, value }), label, make("span", { class: "count" }, String(count)));
    for (const [verdict, letter] of Object.entries(LETTERS)) {
      const chip = make("span", { class: `${kindOf({ verdict })} chip` }, `${letter} ${verdict}`);
      byId("verdicts").append(box("verdict", verdict, chip, every.filter((cell) => cell.verdict === verdict).length));
    }
    for (const [name, label] of Object.entries(FINDINGS)) {
      const there = every.filter(isFound[name]);
      const byRow = name === "differs" || name === "worse";
      byId("findings").append(box("only", name, make("span", {}, label), byRow ? new Set(there.map((cell) => cell.row)).size : there.length));
    }
    if (matchMedia("(max-width: 45rem)").matches) byId("more").open = false;
  }
  function readFilters() {
    const values = new FormData(form);
    return Object.fromEntries(["q", "class", "variant", "axis", "verdict", "only"].map((name) => [name, values.getAll(name).join(",")]));
  }
  function writeFilters() {
    for (const name of ["q", "class", "variant", "axis"]) {
      const field = form.elements[name];
      if (field.value !== state[name]) field.value = state[name];
    }
    if (state.verdict || state.only) byId("more").open = true;
    for (const one of form.querySelectorAll('input[type="checkbox"]')) one.checked = state[one.name].split(",").includes(one.value);
  }
  form.addEventListener("input", () => {
    state = { ...state, ...readFilters() };
    history.replaceState(null, "", addressOf(state));
    filterMatrix();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    go({ q: "", class: "", variant: "", axis: "", verdict: "", only: "" });
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  // ---- the page of a cell --------------------------------------------------------------------------

  const chip = (cell, label) => make("a", { class: `${kindOf(cell)} chip`, href: `#cell=${encodeURIComponent(cell.id)}`, title: said(cell) }, label);
  const fact = (name, ...value) => {
    const told = value.filter((one) => one != null && one !== "");
    return told.length ? make("div", {}, make("dt", {}, name), make("dd", {}, ...told)) : null;
  };
  const facts = (...rows) => make("dl", { class: "facts" }, ...rows);

  function call(line) {
    const [, before, errno, after] = /^(.* = )(E[A-Z0-9]+)(.*)$/s.exec(line) || [];
    return errno ? make("li", { class: "refused mono" }, before, make("b", {}, errno), after) : make("li", { class: "mono" }, line);
  }
  function counts(cell) {
    if (!cell.counts) return "";
    return make("table", { class: "plain numbers" },
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "requests"), ...data.columns.map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...cell.counts.map((row, number) => make("tr", {}, make("th", { scope: "row" }, data.phases[number]), ...row.map((count) => make("td", {}, String(count)))))));
  }
  function control(cell) {
    const found = cell.row?.byVariant.get(cell.control); // a cell of the old run has no row
    if (found) return [chip(found, found.variant), ` ${said(found)}`];
    return cell.control ? [`${cell.control}: ${cell.controlVerdict}`] : [];
  }
  function story(cell, level, evidence) {
    const able = new Set(cell.refusable);
    const part = (...given) => titled(level, ...given);
    const none = (word) => (cell.verdict === "n/a" ? "" : make("p", { class: "soft" }, word));
    return [
      ...part("Verdict", facts(
        fact("verdict", make("span", { class: `${kindOf(cell)} chip` }, cell.verdict), text(cell.detail) && ` ${text(cell.detail)}`),
        fact("lost", cell.lost ? cell.lost.join(", ") : cell.verdict === "held" ? "nothing" : ""),
        fact("gained", texts(cell.gained).join(", ")),
        fact("partial", text(cell.half)),
        fact(cell.unexpected ? "NOT as expected" : "as expected", `${cell.expected}: ${text(cell.why)}`),
        fact("by its own account", text(cell.end)),
        fact("control", ...control(cell)),
        fact("tries won", cell.tries || ""), fact("rounds", cell.rounds ? String(cell.rounds) : ""),
        fact("repetitions", cell.repeats || ""), fact("kept from", text(cell.kept)),
        fact("took", `${(cell.seconds || 0).toFixed(2)} s`),
      )),
      ...part("System calls of the attack", cell.calls ? make("ol", { class: "calls" }, ...texts(cell.calls).map(call)) : none("none is kept")),
      ...part("What the witness saw", counts(cell), list("wrap", texts(cell.witness))),
      ...part("Hooks that were called on the handler", cell.hooks
        ? make("ul", {}, ...cell.hooks.map((hook) => make("li", { class: "mono" }, text(hook) + (able.has(hook) ? " (can refuse)" : "")))) : none("none")),
      ...part("Console, last lines", list("", texts(cell.console))),
      ...part("Traceback", list("", texts(cell.traceback))),
      ...part("Evidence", cell.files ? make("ul", { class: "files" }, ...texts(cell.files).map((name) =>
        make("li", {}, make("a", { href: `${evidence}/cells/${encodeURIComponent(cell.id)}/${encodeURIComponent(name)}` }, name))))
        : make("p", { class: "soft" }, "none is kept")),
      ...part("Run it again", list("wrap", [text(cell.run)])),
      ...part("Open a shell there", list("wrap", [text(cell.shell)])),
    ];
  }

  function showCell() {
    const place = byId("cell"), id = state.cell;
    const cell = cells.get(id), old = data.old[id];
    const back = make("a", { href: addressOf({ ...state, cell: "" }) }, `← ${tabs.get(state.view)}`);
    if (!cell && !old) {
      place.replaceChildren(make("p", {}, back), make("h2", { tabindex: -1 }, "There is no such cell"), make("p", { class: "mono" }, id));
      return;
    }
    const any = cell || old;
    const about = cell ? cell.row.about : data.scenarios.filter((one) => id.endsWith(`-${one.name}`)).sort((one, two) => two.name.length - one.name.length)[0];
    const siblings = cell ? data.variants.map((name) => cell.row.byVariant.get(name)).filter(Boolean) : [];
    const stories = [];
    if (old) stories.push(make("div", {}, make("h3", {}, `In ${data.oldRun}, the old run`), ...story(old, "h4", data.oldEvidence)));
    if (cell) stories.push(make("div", {}, ...(old ? [make("h3", {}, `In ${data.run}`)] : []), ...story(cell, old ? "h4" : "h3", data.evidence)));
    place.replaceChildren(
      make("div", { class: "cell-head" }, back, make("h2", { tabindex: -1 }, about.name, make("span", { class: "soft" }, ` on ${any.variant}`))),
      make("p", { class: "about-attack" }, about.about.join("\n")),
      facts(
        fact("cell", make("code", {}, id)),
        fact("source", about.source ? make("code", {}, about.source) : "neither in this version nor in a file of the run"),
        fact("class", about.class), fact("effect", about.effect), fact("surface", about.surface), fact("answers", about.answers.join(", ")),
      ),
      siblings.length > 1 ? make("ul", { class: "others", "aria-label": "The same attack on each variant" }, ...siblings.map((one) => {
        const link = chip(one, `${LETTERS[one.verdict]}${marks(one)} ${one.variant}`);
        if (one === cell) link.setAttribute("aria-current", "page");
        return make("li", {}, link);
      })) : "",
      make("div", { class: stories.length > 1 ? "stories two" : "stories" }, ...stories),
    );
  }

  // ---- what is shown -------------------------------------------------------------------------------

  function returnTo(view) {
    const links = document.querySelectorAll(`section[data-view="${view}"] a[href^="#cell="]`);
    const link = [...links].find((one) => stateOf(one.hash).cell === focused);
    link?.focus();
    link?.scrollIntoView({ block: "center" });
  }
  function show() {
    const before = sectionOf(state);
    state = stateOf(location.hash);
    const now = sectionOf(state);
    for (const section of document.querySelectorAll("section[data-view]")) section.hidden = section.dataset.view !== now;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.dataset.view === state.view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (now === "matrix") {
      writeFilters();
      filterMatrix();
      if (before === "cell" && focused) {
        roveTo(cells.get(focused)?.link);
        cells.get(focused)?.link.scrollIntoView({ block: "center", inline: "nearest" });
      }
    } else if (now === "cell") {
      focused = state.cell;
      showCell();
      scrollTo(0, 0);
      byId("cell").querySelector("h2").focus();
    } else if (before === "cell") returnTo(now);
    else if (before !== now) scrollTo(0, 0);
    document.title = state.cell ? `${state.cell} in run ${data.run}` : `${data.run}: attacks on a user mode driver`;
  }

  // A link to a cell or to a part of the report keeps the filters.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button || link.classList.contains("skip")) return;
    event.preventDefault();
    const wanted = stateOf(link.getAttribute("href"));
    if (link.closest(".heat")) go({ ...DEFAULTS, class: wanted.class, variant: wanted.variant });
    else go(wanted.cell ? { cell: wanted.cell } : { view: wanted.view, cell: "" });
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input[type=search], select");
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      if (sectionOf(state) !== "matrix") go({ view: "matrix", cell: "" });
      byId("q").focus();
    } else if (event.key === "Escape" && state.cell) go({ cell: "" });
  });
  addEventListener("popstate", show);

  buildFilters();
  buildMatrix();
  show();
})();
