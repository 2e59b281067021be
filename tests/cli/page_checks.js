// SPDX-License-Identifier: Apache-2.0
// Faults of the layout of the page, as a list of "kind: what"; evaluated by pages.py.
(() => {
  "use strict";
  const faults = [], width = document.documentElement.clientWidth;
  const excerpt = node => node.textContent.trim().replace(/\s+/g, " ").slice(0, 50);
  const fault = (kind, node, more = "") =>
    faults.push(`${kind}: ${more}${node.nodeName.toLowerCase()} '${excerpt(node)}'`);

  // Text that a screen reader alone has.
  const clipped = style => style.clipPath === "inset(50%)";

  // The part of a rectangle that the element's ancestors do not clip; `scrolls`: the rest can
  // be scrolled to.
  function visible(rect, element) {
    const box = {left: rect.left, top: rect.top, right: rect.right, bottom: rect.bottom};
    let scrolls = false;
    for (let e = element; e && e !== document.body; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (clipped(style))
        return null;
      if (style.overflowX === "visible" || style.display.startsWith("inline") && !e.viewportElement
          && e.nodeName !== "svg")
        continue;
      scrolls ||= style.overflowX === "auto" || style.overflowX === "scroll";
      const clip = e.getBoundingClientRect();
      box.left = Math.max(box.left, clip.left);
      box.right = Math.min(box.right, clip.right);
      box.top = Math.max(box.top, clip.top);
      box.bottom = Math.min(box.bottom, clip.bottom);
    }
    const cut = rect.right - box.right > 1 || box.left - rect.left > 1 ||
      rect.bottom - box.bottom > 2 || box.top - rect.top > 2;
    return {box, scrolls, cut, gone: box.left >= box.right || box.top >= box.bottom};
  }

  // ---- colours ----

  function numbers(text) {
    const found = (text.match(/-?[\d.]+(e-?\d+)?%?/g) || []).map(parseFloat);
    if (text.startsWith("color(srgb"))
      return [found[0] * 255, found[1] * 255, found[2] * 255, found[3] ?? 1];
    return text.startsWith("rgb") ? [found[0], found[1], found[2], found[3] ?? 1] : [0, 0, 0, 0];
  }
  const over = (top, below) => [0, 1, 2].map(i => top[3] * top[i] + (1 - top[3]) * below[i]);
  const luminance = rgb => rgb.map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  function opacity(element) {
    let product = 1;
    for (let e = element; e; e = e.parentElement)
      product *= Number(getComputedStyle(e).opacity);
    return product;
  }
  // What an element paints behind its content.
  function paint(element) {
    const style = getComputedStyle(element);
    const shape = element.viewportElement && element.nodeName !== "text" && element.nodeName !== "tspan";
    const colour = numbers(shape ? style.fill : element.viewportElement ? "" : style.backgroundColor);
    return [...colour.slice(0, 3), colour[3] * (shape ? Number(style.fillOpacity) : 1) * opacity(element)];
  }
  const canvas = document.body.appendChild(document.createElement("div"));
  canvas.style.backgroundColor = "Canvas";
  const bottom = numbers(getComputedStyle(canvas).backgroundColor).slice(0, 3);
  canvas.remove();
  // The colour below the middle of a text, painted from the canvas up.
  function background(element, box) {
    const all = document.elementsFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
    const at = all.findIndex(e => e === element || e.contains(element));
    if (at < 0)
      return null;
    const below = all.slice(at).map(paint);
    const opaque = below.findIndex(c => c[3] >= .999);
    return below.slice(0, opaque < 0 ? below.length : opaque + 1)
      .reduceRight((sum, c) => over(c, sum), bottom);
  }
  function contrast(element, box) {
    const below = background(element, box), style = getComputedStyle(element);
    if (!below)
      return;
    const ink = numbers(element.viewportElement ? style.fill : style.color);
    ink[3] *= opacity(element);
    const a = luminance(over(ink, below)), b = luminance(below);
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const size = pixels(element);
    const large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
    if (ratio < (large ? 3 : 4.5))
      fault("contrast", element, `${ratio.toFixed(2)} of `);
  }
  function pixels(element) {
    const scale = element.viewportElement ? element.getScreenCTM().a : 1;
    return parseFloat(getComputedStyle(element).fontSize) * (scale || 1);
  }

  // ---- text ----

  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility({visibilityProperty: true}) ||
        ["SCRIPT", "STYLE", "TITLE", "title", "desc"].includes(element.nodeName))
      continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    let first = true;
    for (const rect of range.getClientRects()) {
      if (rect.width < 1 || rect.height < 1)
        continue;
      const seen = visible(rect, element);
      if (!seen)
        break;
      if (seen.cut && !seen.scrolls)
        fault("cut off", element);
      if (!seen.scrolls && (rect.left < -.5 || rect.right > width + .5 || rect.top + scrollY < -.5))
        fault("outside", element);
      if (seen.gone)
        continue;
      if (first) {
        contrast(element, seen.box);
        if (pixels(element) < 8.5)
          fault("tiny", element, `${pixels(element).toFixed(1)} pixels of `);
      }
      first = false;
      // Ink is less high than the line.
      const slack = .18 * Math.min(rect.height, rect.width);
      boxes.push({node, element, left: seen.box.left + 1, right: seen.box.right - 1,
        top: seen.box.top + slack, bottom: seen.box.bottom - slack});
    }
  }
  boxes.sort((a, b) => a.top - b.top);
  boxes.forEach((a, i) => {
    for (let k = i + 1; k < boxes.length && boxes[k].top < a.bottom; k++) {
      const b = boxes[k];
      if (a.left < b.right && b.left < a.right && a.node !== b.node)
        fault("overlap", a.element, `'${excerpt(b.element)}' over `);
      else if (a.element.viewportElement && a.left < b.right + 4 && b.left < a.right + 4 &&
               Math.abs(a.top - b.top) < 2 && a.node !== b.node)
        fault("touches", a.element, `'${excerpt(b.element)}' beside `);
    }
  });

  // ---- the page ----

  if (document.documentElement.scrollWidth > width)
    faults.push(`overflow: ${document.documentElement.scrollWidth} pixels wide, not ${width}`);
  for (const e of document.body.querySelectorAll("*")) {
    const rect = e.getBoundingClientRect();
    if (e.checkVisibility() && !e.viewportElement && rect.width && rect.right > width + 1) {
      const seen = visible(rect, e.parentElement);
      if (seen && !seen.scrolls && !seen.gone)
        fault("overflow", e);
    }
    if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === "auto" &&
        !(e.tabIndex >= 0 && e.getAttribute("aria-label")))
      fault("scroller without keyboard", e);
  }
  for (const e of document.querySelectorAll(".whole .wide"))
    if (e.scrollWidth > e.clientWidth + 1)
      fault("not whole", e);
  const named = e => e.getAttribute("aria-label") || e.getAttribute("aria-hidden") === "true" ||
    e.closest("[aria-hidden=true]");
  for (const e of document.images)
    if (!e.alt && !named(e))
      fault("no alt", e, e.src.slice(0, 40));
    else if (e.complete && !e.naturalWidth)
      fault("broken image", e, e.alt);
  for (const e of document.querySelectorAll("svg"))
    if (!named(e))
      fault("no alt", e);
  for (const e of document.querySelectorAll("input, select, textarea, button, a[href]"))
    if (!e.labels?.length && !named(e) && !excerpt(e))
      fault("no label", e);
  if (!document.documentElement.lang || !document.title.trim())
    faults.push("no language or title");
  let level = 0;
  for (const e of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const own = Number(e.nodeName[1]);
    if (own > level + 1 || !excerpt(e))
      fault("heading", e);
    level = own;
  }
  if (document.querySelectorAll("h1").length !== 1)
    faults.push("heading: not one h1");
  return [...new Set(faults)];
})()
