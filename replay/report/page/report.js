'use strict';
// Everything the page does beyond what it shows as text. The data is JSON in #data.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const svgNamespace = 'http://www.w3.org/2000/svg';
  const tip = document.getElementById('tip');

  const html = (name, attributes = {}, text = '') => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== '') node.textContent = text;
    return node;
  };
  const svg = (parent, name, attributes = {}, text = '') => {
    const node = document.createElementNS(svgNamespace, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== '') node.textContent = text;
    parent.appendChild(node);
    return node;
  };
  const seconds = (us) => {
    if (us >= 1e6) return `${+(us / 1e6).toPrecision(6)} s`;
    if (us >= 1e3) return `${+(us / 1e3).toPrecision(6)} ms`;
    return `${+us.toPrecision(6)} µs`;
  };
  const showTip = (event, text) => {
    tip.textContent = text;
    tip.style.visibility = 'visible';
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
  };
  const hideTip = () => { tip.style.visibility = 'hidden'; };

  // --- Theme: as the system has it, until the button is used ---
  const root = document.documentElement;
  const setTheme = (dark) => { root.dataset.theme = dark ? 'dark' : 'light'; };
  setTheme(matchMedia('(prefers-color-scheme: dark)').matches);
  document.getElementById('theme').addEventListener('click', () => setTheme(root.dataset.theme !== 'dark'));

  // --- Tables that sort ---
  const sortTable = (table, column, header) => {
    const ascending = header.getAttribute('aria-sort') !== 'ascending';
    for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
    header.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
    const rows = [...table.tBodies[0].rows];
    const numeric = header.classList.contains('number');
    const value = (row) => numeric ? Number(row.cells[column].textContent) : row.cells[column].textContent;
    rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = numeric ? x - y : x.localeCompare(y);
      return ascending ? order : -order;
    });
    table.tBodies[0].append(...rows);
  };
  for (const table of document.querySelectorAll('table')) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.tabIndex = 0;
      header.addEventListener('click', () => sortTable(table, column, header));
      header.addEventListener('keydown', (event) => {
        if (event.key === 'Enter') sortTable(table, column, header);
      });
    });
  }

  // --- Plots: time to the right; drag to zoom, double click for all of it ---
  const niceTicks = (low, high, count) => {
    const raw = (high - low) / count;
    if (!(raw > 0)) return [low];
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
    const ticks = [];
    for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-9; t += step) ticks.push(t);
    return ticks;
  };

  class Plot {
    // draw(plot, from, to) adds what is seen between these times; range(from, to) is [low, high] of the values there.
    constructor(figure, height, extent, range, draw, label) {
      Object.assign(this, {figure, height, extent, range, draw, label});
      this.width = 1120;
      this.margin = {left: 74, right: 12, top: 10, bottom: 26};
      this.svg = svg(figure, 'svg', {viewBox: `0 0 ${this.width} ${height}`, role: 'img', 'aria-label': label});
      this.listen();
      this.show(...extent);
    }
    x(us) { return this.margin.left + (us - this.from) / (this.to - this.from) * this.inner; }
    y(value) {
      const h = this.height - this.margin.top - this.margin.bottom;
      return this.margin.top + h - (value - this.low) / (this.high - this.low) * h;
    }
    get inner() { return this.width - this.margin.left - this.margin.right; }
    timeAt(event) {
      const box = this.svg.getBoundingClientRect();
      const px = (event.clientX - box.left) / box.width * this.width;
      return this.from + (px - this.margin.left) / this.inner * (this.to - this.from);
    }
    show(from, to) {
      [this.from, this.to] = to > from ? [from, to] : [from, from + 1];
      [this.low, this.high] = this.range(this.from, this.to);
      if (!(this.high > this.low)) this.high = this.low + 1;
      this.svg.replaceChildren();
      const clip = `clip-${this.figure.id}`;
      const rect = svg(svg(svg(this.svg, 'defs'), 'clipPath', {id: clip}), 'rect');
      // What lies beyond the range, as a window's edge may, stays out of the words above.
      const box = {x: this.margin.left, y: this.margin.top - 4, width: this.inner,
                   height: this.height - this.margin.top - this.margin.bottom + 8};
      for (const [key, value] of Object.entries(box)) rect.setAttribute(key, value);
      for (const t of niceTicks(this.low, this.high, Math.max(2, this.height / 60))) {
        svg(this.svg, 'line', {class: 'axis', x1: this.margin.left, x2: this.width - this.margin.right, y1: this.y(t), y2: this.y(t)});
        svg(this.svg, 'text', {x: this.margin.left - 8, y: this.y(t) + 4, 'text-anchor': 'end'}, String(+t.toPrecision(9)));
      }
      for (const t of niceTicks(this.from, this.to, 8)) {
        const anchor = this.x(t) > this.width - 40 ? 'end' : 'middle';
        const x = anchor === 'end' ? Math.min(this.x(t) + 30, this.width - 2) : this.x(t);
        svg(this.svg, 'text', {x, y: this.height - 8, 'text-anchor': anchor}, seconds(t));
      }
      this.body = svg(this.svg, 'g', {'clip-path': `url(#${clip})`});
      this.draw(this, this.from, this.to);
    }
    path(d, color, attributes = {}) {
      return svg(this.body, 'path', {d, fill: 'none', stroke: `var(${color})`, 'stroke-width': 1.5, ...attributes});
    }
    listen() {
      let start = null;
      let brush = null;
      this.svg.addEventListener('pointerdown', (event) => {
        start = this.timeAt(event);
        brush = svg(this.svg, 'rect', {class: 'brush', y: 0, height: this.height, x: 0, width: 0});
        this.svg.setPointerCapture(event.pointerId);
      });
      this.svg.addEventListener('pointermove', (event) => {
        if (start === null) {
          const text = this.describe ? this.describe(this.timeAt(event), event) : '';
          return text ? showTip(event, text) : hideTip();
        }
        const [a, b] = [start, this.timeAt(event)].sort((p, q) => p - q).map((t) => this.x(t));
        brush.setAttribute('x', a);
        brush.setAttribute('width', b - a);
      });
      this.svg.addEventListener('pointerup', (event) => {
        if (start === null) return;
        const [a, b] = [start, this.timeAt(event)].sort((p, q) => p - q);
        start = null;
        brush.remove();
        if (this.x(b) - this.x(a) > 4) this.show(Math.max(a, this.extent[0]), Math.min(b, this.extent[1]));
      });
      this.svg.addEventListener('pointerleave', hideTip);
      this.svg.addEventListener('dblclick', () => this.show(...this.extent));
    }
  }

  const caption = (figure, keys, note) => {
    const node = html('figcaption');
    for (const [name, color] of keys) {
      const key = html('span', {class: 'key', style: `--color: var(${color})`});
      key.append(html('i'), name);
      node.append(key);
    }
    if (note) node.append(html('span', {}, note));
    figure.prepend(node);
  };

  // --- Time-sequence graph of one direction of a flow ---
  const steps = (plot, list) => {
    let d = '';
    list.forEach(([t, v], i) => {
      d += i === 0 ? `M${plot.x(t)} ${plot.y(v)}` : `H${plot.x(t)}V${plot.y(v)}`;
    });
    return d === '' ? d : `${d}H${plot.x(plot.to)}`;
  };
  const segmentKinds = ['first sent', 'sent again', 'dropped by the host'];
  const segmentColors = ['--series-1', '--series-2', '--bad'];
  const timeSequence = (holder, id, side) => {
    const figure = html('figure', {id});
    holder.append(figure);
    caption(figure, [...segmentKinds.map((k, i) => [k, segmentColors[i]]), ['acknowledged', '--series-3'],
      ['window edge', '--series-5'], ['SACK', '--series-4']], `${side.name}: bytes over time; drag to zoom, double click for all${side.thinned}`);
    const all = [...side.segments.map((s) => s[0]), ...side.acks.map((s) => s[0])];
    const extent = [Math.min(...all), Math.max(...all)];
    const pad = (extent[1] - extent[0]) * 0.02 || 1;
    extent[0] -= pad;
    extent[1] += pad;
    const range = (from, to) => {
      const values = [];
      for (const [t, first, end] of side.segments) if (t >= from && t <= to) values.push(first, end);
      for (const [t, v] of side.acks) if (t >= from && t <= to) values.push(v);
      if (values.length === 0) return [0, 1];
      const [low, high] = values.reduce(([l, h], v) => [Math.min(l, v), Math.max(h, v)], [Infinity, -Infinity]);
      const room = (high - low) * 0.06 || 1;
      return [low - room, high + room];
    };
    const plot = new Plot(figure, 340, extent, range, (p) => {
      p.path(steps(p, side.edges), '--series-5', {class: 'edges'});
      p.path(steps(p, side.acks), '--series-3', {class: 'acks'});
      segmentColors.forEach((color, kind) => {
        let d = '';
        for (const [t, first, end, k] of side.segments) {
          if (k !== kind || t < p.from || t > p.to) continue;
          const [x, a, b] = [p.x(t), p.y(first), p.y(end)];
          d += `M${x - 2.5} ${a}H${x + 2.5}M${x} ${a}V${b}M${x - 2.5} ${b}H${x + 2.5}`;
        }
        if (d !== '') p.path(d, color, {class: 'segments'});
      });
      let d = '';
      for (const [t, first, end] of side.sacks) d += `M${p.x(t)} ${p.y(first)}V${p.y(end)}`;
      if (d !== '') p.path(d, '--series-4', {class: 'sacks'});
    }, `Time-sequence graph, ${side.name}`);
    plot.describe = (time) => {
      let best = null;
      for (const s of side.segments) if (best === null || Math.abs(s[0] - time) < Math.abs(best[0] - time)) best = s;
      return best === null ? '' : `${seconds(best[0])}  ${best[1]}:${best[2]} (${best[2] - best[1]} B)  ${segmentKinds[best[3]]}  event ${best[4]}`;
    };
  };

  const flowHolder = document.getElementById('flow-plots');
  const chooseFlow = (index) => {
    const flow = data.flows[index];
    flowHolder.replaceChildren();
    for (const row of document.querySelectorAll('tr[data-flow]')) {
      row.classList.toggle('chosen', Number(row.dataset.flow) === index);
    }
    flowHolder.append(html('h2', {}, flow.name));
    flow.sides.forEach((side, i) => {
      if (side.segments.length > 0) timeSequence(flowHolder, `sequence-${i}`, side);
    });
    flowHolder.append(html('pre', {class: 'ladder'}, flow.ladder));
  };
  for (const row of document.querySelectorAll('tr[data-flow]')) {
    row.addEventListener('click', () => chooseFlow(Number(row.dataset.flow)));
  }
  if (data.flows.length > 0) chooseFlow(data.busiest);

  // --- Frames, interrupts, drops over time; what is queued ---
  const timelineHolder = document.getElementById('timelines');
  data.timelines.forEach((line, i) => {
    const figure = html('figure', {id: `timeline-${i}`});
    timelineHolder.append(figure);
    caption(figure, [[line.name, line.color]], line.note);
    const max = (list, from, to) => list.reduce((m, [t, v]) => (t >= from && t <= to ? Math.max(m, v) : m), 0);
    const plot = new Plot(figure, 110, data.span, (from, to) => [0, max(line.points, from - line.bucket, to)], (p) => {
      if (line.bucket === 0) {
        p.path(steps(p, line.points), line.color, {class: 'steps'});
        return;
      }
      let d = '';
      for (const [t, v] of line.points) {
        if (v === 0 || t + line.bucket < p.from || t > p.to) continue;
        const [a, b] = [p.x(t), Math.max(p.x(t + line.bucket) - 0.5, p.x(t) + 0.5)];
        d += `M${a} ${p.y(0)}V${p.y(v)}H${b}V${p.y(0)}Z`;
      }
      p.path(d, line.color, {class: 'bars', fill: `var(${line.color})`, stroke: 'none'});
    }, line.name);
    plot.describe = (time) => {
      let found = null;
      for (const point of line.points) if (point[0] <= time) found = point;
      return found === null ? '' : `${seconds(found[0])}  ${line.name}: ${found[1]}`;
    };
  });
  root.dataset.ready = 'yes';
})();
