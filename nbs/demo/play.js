// The attack of page 12 in a browser: small networks, their gradients, and something to play with.
// Pictures, gradients and perturbations are lists of 28*28 numbers, row by row; eps is in [0,1].
(() => {
'use strict'

// ---- the networks, as nbs/demo/play.json has them -----------------------------------------------
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0))
const floats = text => new Float32Array(bytes(text).buffer)
const bit = (list, j) => list[j >> 3] >> (j & 7) & 1

// The weights of a layer: numbers, or 0 and +-1 from a bit for each place and one for each sign
function weights(layer, n) {
  if (layer.weights) return floats(layer.weights)
  const places = bytes(layer.places), plus = bytes(layer.plus)
  let k = 0
  return Float32Array.from({length: n}, (_, j) => bit(places, j) ? 2*bit(plus, k++) - 1 : 0)
}

// A network from its entry: each layer knows the sides of the pictures before and after it
function read(network, page) {
  let side = page.size
  const layers = network.layers.map(layer => {
    const [outs, ins, k = 1] = layer.shape, from = k > 1 ? side : 1
    side = Math.ceil(from/layer.stride)
    return {outs, ins, k, from, to: side, stride: layer.stride, scale: floats(layer.scale),
            shift: floats(layer.shift), w: weights(layer, outs*ins*k*k)}
  })
  return {layers, mean: page.mean, std: page.std}
}

// ---- forward and backward -----------------------------------------------------------------------
// to[a], to[a+p], ... += w times from[b], from[b+q], ...; where w is +-1, nothing is multiplied
function add(w, to, a, p, from, b, q, n) {
  if (w === 1) for (; n--; a += p, b += q) to[a] += from[b]
  else if (w === -1) for (; n--; a += p, b += q) to[a] -= from[b]
  else for (; n--; a += p, b += q) to[a] += w*from[b]
}

// Every weight of a layer, and every row of pixels that it connects: visit(weight, where the row
// begins after the layer, where before it, how many pixels). Outside of the picture all is 0
function walk({outs, ins, k, from, to, stride, w}, visit) {
  const reach = Array.from({length: k}, (_, t) => {
    const by = t - (k >> 1), first = Math.max(0, Math.ceil(-by/stride))
    return {by, first, end: Math.min(to, Math.floor((from - 1 - by)/stride) + 1)}
  })
  let j = 0
  for (let o = 0; o < outs; o++) for (let i = 0; i < ins; i++) for (const y of reach) {
    for (const x of reach) {
      const weight = w[j++]
      for (let r = y.first; weight && r < y.end; r++) {
        const row = i*from + r*stride + y.by
        visit(weight, (o*to + r)*to + x.first, row*from + x.first*stride + x.by, x.end - x.first)
      }
    }
  }
}

// What comes out of a layer for x, before its ReLU: additions, then a scale and a shift a channel
function forward(layer, x) {
  const area = layer.to**2, z = new Float32Array(layer.outs*area)
  walk(layer, (w, a, b, n) => add(w, z, a, 1, x, b, layer.stride, n))
  return z.map((v, j) => v*layer.scale[Math.floor(j/area)] + layer.shift[Math.floor(j/area)])
}

// The gradient before a layer from the gradient g after it: the same weights, the other way
function backward(layer, g) {
  const area = layer.to**2, before = new Float32Array(layer.ins*layer.from**2)
  const scaled = g.map((v, j) => v*layer.scale[Math.floor(j/area)])
  walk(layer, (w, a, b, n) => add(w, before, b, layer.stride, scaled, a, 1, n))
  return before
}

// The mean over the picture, before the last layer
function average(x, area) {
  const means = new Float32Array(x.length/area)
  x.forEach((v, j) => { means[Math.floor(j/area)] += v/area })
  return means
}

// What each layer says of picture x; the last are the logits
function outputs(net, x) {
  const said = []
  let now = Float32Array.from(x, v => (v - net.mean)/net.std)
  for (const layer of net.layers) {
    if (layer.k === 1) now = average(now, now.length/layer.ins)
    said.push(forward(layer, now))
    now = said.at(-1).map(v => Math.max(v, 0))
  }
  return said
}
const logits = (net, x) => outputs(net, x).at(-1)

function softmax(z) {
  const top = Math.max(...z), e = Array.from(z, v => Math.exp(v - top))
  const sum = e.reduce((a, b) => a + b)
  return e.map(v => v/sum)
}

// The gradient of the cross-entropy with label y, for each pixel of x
function gradient(net, x, y) {
  const said = outputs(net, x)
  let g = Float32Array.from(softmax(said.at(-1)), (q, c) => q - (c === y))
  for (let l = net.layers.length - 1; l >= 0; l--) {
    g = backward(net.layers[l], g)
    if (!l) break
    const area = said[l-1].length/g.length
    g = said[l-1].map((v, j) => v > 0 ? g[Math.floor(j/area)]/area : 0)
  }
  return g.map(v => v/net.std)
}

// ---- the attack ---------------------------------------------------------------------------------
const clamp = (v, low, high) => Math.min(Math.max(v, low), high)
const sum = (x, d) => x.map((v, j) => v + d[j])

// The nearest d with |d| <= eps and x+d in [0,1]
const project = (x, d, eps) => d.map((v, j) => clamp(x[j] + clamp(v, -eps, eps), 0, 1) - x[j])

// A step of PGD: every pixel moves by alpha, up or down as the gradient says
function step(net, x, y, d, eps, alpha) {
  const g = gradient(net, sum(x, d), y)
  return project(x, d.map((v, j) => v + alpha*Math.sign(g[j])), eps)
}

// A random d, the same for the same seed
function start(x, eps, seed) {
  const uniform = () => (seed = (1664525*seed + 1013904223)%2**32)/2**32
  return project(x, x.map(() => (2*uniform() - 1)*eps), eps)
}

globalThis.robinPlay = {read, logits, gradient, project, step, start}

// ---- what you see, in the frame of nbs/demo/play.html -------------------------------------------
const STEPS = 20, LESS = [22, 52, 110], NOTHING = [128, 128, 128], MORE = [255, 176, 120]
const grey = v => [255*v, 255*v, 255*v]
const tint = v => NOTHING.map((c, j) => c + Math.abs(v)*((v > 0 ? MORE : LESS)[j] - c))

function paint(canvas, x, color) {
  canvas.width = canvas.height = Math.sqrt(x.length)
  const pixels = Uint8ClampedArray.from(Array.from(x, v => [...color(v), 255]).flat())
  canvas.getContext('2d').putImageData(new ImageData(pixels, canvas.width), 0, 0)
}

// As many copies of the first child of `parent` as there are `things`
function repeat(parent, things, fill) {
  const copies = things.map(() => parent.firstElementChild.cloneNode(true))
  parent.replaceChildren(...copies)
  copies.forEach((copy, j) => fill(copy, things[j], j))
}

function widget(root) {
  const page = JSON.parse(root.querySelector('script').textContent), side = page.size
  const nets = page.networks.map(n => read(n, page))
  const pictures = page.pictures.map(text => Float32Array.from(bytes(text), v => v/255))
  const at = what => root.querySelector(what), eps = () => +at('.eps').value
  const best = z => z.indexOf(Math.max(...z)), number = n => n.toLocaleString('en')
  const truth = () => +at('select').value < 0 ? best(logits(nets[net], x)) : +at('select').value
  let net = 0, made = 0, x, d, steps = 0, left = 0, pen = [side >> 1, side >> 1]

  function show() {
    const z = logits(nets[net], sum(x, d)), q = softmax(z), said = best(z), y = truth()
    const e = eps().toFixed(2), sure = `${page.classes[said]}, ${Math.round(100*q[said])} % sure.`
    const other = made === net || !steps ? '' : ', made for another network'
    paint(at('.x'), x, grey)
    paint(at('.d'), d.map(v => eps() ? v/eps() : 0), tint)
    paint(at('.both'), sum(x, d), grey)
    at('output').textContent = e
    root.querySelectorAll('tbody tr').forEach((row, c) => {
      row.classList.toggle('said', c === said)
      row.cells[0].textContent = page.classes[c] + (c === y ? ' ✓' : '')
      row.cells[1].textContent = z[c].toFixed(2)
      row.querySelector('i').style.width = `${60*q[c]}%`
      row.querySelector('span').textContent = `${Math.round(100*q[c])} %`
    })
    at('.verdict').ariaBusy = String(left > 0)
    at('.verdict').textContent = `Steps: ${steps}, eps ${e}${other}. It says ${sure} ` +
      (said === y ? 'Right.' : `Wrong: ${page.classes[y]}.`)
  }

  function reset() {
    [steps, left, made] = [0, 0, net]
    d = at('.random').checked ? start(x, eps(), 0) : x.map(() => 0)
    show()
  }
  function press(j) {
    at('.strip').childNodes.forEach((b, k) => b.setAttribute('aria-pressed', j === k))
    at('select').value = j < 0 ? -1 : page.labels[j]
  }
  function choose(j) {
    x = pictures[j].slice()
    press(j)
    reset()
  }
  function one() {
    d = step(nets[net], x, truth(), d, eps(), eps()/8)                  // 2.5 eps in 20 steps
    made = net
    steps++
    left--
    show()
    if (left > 0) requestAnimationFrame(() => left > 0 && one())
  }
  function draw([i, j]) {
    x = x.map((v, p) => {
      const far = Math.hypot(p%side - i, Math.floor(p/side) - j)
      return Math.max(v, clamp(1.8 - far, 0, 1))
    })
    press(-1)
    d = project(x, d, eps())
    show()
  }
  repeat(at('.nets'), page.networks, (copy, n, j) => {
    const [radio, text] = copy.children
    Object.assign(radio, {checked: !j, onchange: () => { net = j; left = 0; show() }})
    text.textContent = `${n.name} (${number(n.weights)} weights, ${number(n.bytes)} bytes)`
  })
  repeat(at('.strip'), pictures, (button, picture, j) => {
    button.ariaLabel = `picture ${j + 1}, ${page.classes[page.labels[j]]}`
    button.onclick = () => choose(j)
    paint(button.firstElementChild, picture, grey)
  })
  repeat(at('select'), ['what it says', ...page.classes], (option, name, j) => {
    Object.assign(option, {textContent: name, value: j - 1})
  })
  repeat(at('tbody'), page.classes, () => {})
  at('.eps').value = page.eps
  at('.eps').oninput = () => { d = project(x, d, eps()); show() }
  at('select').onchange = show
  at('.one').onclick = () => { left = 1; one() }
  at('.all').onclick = () => { const idle = left <= 0; left = STEPS; if (idle) one() }
  at('.reset').onclick = at('.random').onchange = reset
  at('.clear').onclick = () => { x.fill(0); press(-1); reset() }
  const canvas = at('.x'), place = v => v/canvas.clientWidth*side - .5
  canvas.onpointerdown = canvas.onpointermove = e => {
    if (e.buttons) draw([place(e.offsetX), place(e.offsetY)])
  }
  canvas.onkeydown = e => {
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[e.key]
    if (!way && e.key !== ' ') return
    e.preventDefault()                                                // the page stays where it is
    if (!way) return draw(pen)
    pen = pen.map((v, j) => clamp(v + way[j], 0, side - 1))
    paint(canvas, x.map((v, p) => p === pen[1]*side + pen[0] ? (v + .5)%1 : v), grey)
  }
  choose(0)
  at('.wait').remove()
  at('[hidden]').hidden = false
}

if (globalThis.document) document.querySelectorAll('.play:has(.wait)').forEach(widget)
})()
