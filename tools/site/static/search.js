// The search of the site, over the places that finding.py wrote down (BOOK). What a word is worth: most in a title, less in a
// heading, least in the text. British and American spellings, singular and plural, are one word.
const SAME = { my: 'your', transformer: 'vit', transformers: 'vit', picture: 'image', pictures: 'image', images: 'image' }
const WEAK = new Set('a an and are at can do for from how i in is it of on or own the to use what with your'.split(' '))
const stem = word => {
  const w = (SAME[word] || word).replace(/is(ation|ed?|er|es|ing)(s?)$/, 'iz$1$2').replace(/our/, 'or').replace(/tre$/, 'ter')
  const short = w.replace(/(ations?|ings?|ers?|ed|es|e|s)$/, '')
  return short.length > 2 ? short : w
}
const split = text => (text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) || [])
  .flatMap(w => w.includes('_') ? [w, ...w.split('_').filter(Boolean)] : [w])
const stems = text => split(text).map(stem)

// How often each word stands in each field of `place`; worked out once
function counted(place) {
  if (place.seen) return place.seen
  const count = text => { const m = new Map(); for (const s of stems(text)) m.set(s, (m.get(s) || 0) + 1); return m }
  const parts = place.parts.map(([heading, , text, code]) => ({ heading: count(heading), text: count(text), code: count(code) }))
  return place.seen = { title: count(place.title), lead: count(place.lead), parts }
}
// How much `m` has of `term`: whole words, and less for words that begin with it
function much(m, term) {
  if (m.has(term)) return m.get(term)
  if (term.length < 3) return 0
  let n = 0
  for (const [word, k] of m) if (word.startsWith(term)) n = Math.max(n, .4*k)
  return n
}
const full = n => n/(n+2)                                   // the tenth time a word says less than the first
function ofPart(part, term) {
  return 6*full(2*much(part.heading, term)) + 4*full(much(part.text, term)) + 2*full(much(part.code, term))
}
function ofPlace(place, term) {
  const seen = counted(place), parts = seen.parts.map(p => ofPart(p, term))
  const title = (place.kind === 'name' ? 6 : 18)*full(2*much(seen.title, term)), most = Math.max(...parts)
  return title + 6*full(much(seen.lead, term)) + most + full(parts.filter(v => v > 0).length)*3
}

// The places for `query`, best first: {place, part, score}. All strong words have to be there, if they are anywhere together
function find(book, query) {
  const terms = [...new Set(stems(query))], typed = query.trim()
  const named = place => (place.kind === 'name' ? place.title === typed : place.title.toLowerCase() === typed.toLowerCase())
  const weak = t => [...WEAK].some(w => stem(w) === t)
  const strong = terms.some(t => !weak(t)) ? terms.filter(t => !weak(t)) : terms
  const rows = book.map(place => ({ place, got: terms.map(t => ofPlace(place, t)) }))
  const rare = terms.map((t, j) => Math.log(1 + book.length/(1 + rows.filter(r => r.got[j]).length))*(strong.includes(t) ? 1 : .25))
  for (const r of rows) {
    r.score = r.got.reduce((sum, v, j) => sum + v*rare[j], 0) + (named(r.place) ? 100 : 0)
    r.hits = strong.filter(t => r.got[terms.indexOf(t)]).length
  }
  const needed = Math.max(...rows.map(r => r.hits))
  const best = rows.filter(r => needed && r.hits === needed).sort((a, b) => b.score - a.score)
  return best.map(({ place, score }) => {
    const parts = counted(place).parts.map(p => terms.reduce((sum, t, j) => sum + ofPart(p, t)*rare[j], 0))
    const whole = strong.every(t => much(counted(place).title, t)) && place.kind === 'page'
    return { place, score, part: whole ? ['', '', place.lead, ''] : place.parts[parts.indexOf(Math.max(...parts))] }
  })
}

// About two hundred letters of `part` around what was asked for, from the beginning of a sentence if one is near
function excerpt({ place, part }, query) {
  const terms = new Set(stems(query)), text = part[2] || place.lead
  const hit = [...text.matchAll(/[\p{L}\p{N}_]+/gu)].find(m => stems(m[0]).some(s => terms.has(s) && !WEAK.has(m[0].toLowerCase())))
  const at = hit ? hit.index : 0
  const starts = [0, ...[...text.matchAll(/[.?!:] (?=\p{Lu})/gu)].map(m => m.index + 2)].filter(j => j <= at)
  let from = starts[starts.length-1]
  if (at - from > 140) from = text.indexOf(' ', at - 60) + 1
  let to = Math.min(text.length, from + 220)
  if (to < text.length) to = text.lastIndexOf(' ', to)
  return (from && !starts.includes(from) ? '… ' : '') + text.slice(from, to) + (to < text.length ? ' …' : '')
}

function show(query, out) {
  const make = (tag, text, to) => { const e = document.createElement(tag); e.textContent = text; to.append(e); return e }
  const found = find(BOOK, query), terms = new Set(stems(query))
  make('p', found.length ? `${found.length} places for “${query}”` : `Nothing about “${query}”. The reference has every public name.`, out).className = 'search-summary'
  const list = make('ul', '', out)
  for (const result of found.slice(0, 20)) {
    const { place, part } = result, item = make('li', '', list)
    const link = make('a', place.title + (part[0] ? ` › ${part[0]}` : ''), item)
    link.href = place.at + (part[1] ? '#' + part[1] : '')
    if (place.kind === 'name') link.className = 'name'
    make('span', place.kind === 'name' ? place.lead : '', item)
    const p = make('p', '', item)
    for (const piece of excerpt(result, query).split(/([\p{L}\p{N}_]+)/u))
      make(stems(piece).some(s => terms.has(s)) && !WEAK.has(piece.toLowerCase()) ? 'mark' : 'span', piece, p)
  }
}

if (typeof module !== 'undefined') module.exports = { find, excerpt }
else document.addEventListener('DOMContentLoaded', () => {
  const query = new URLSearchParams(location.search).get('q')
  if (!query) return
  document.querySelectorAll('input[name=q]').forEach(e => e.value = query)
  show(query, document.getElementById('search-results'))
})
