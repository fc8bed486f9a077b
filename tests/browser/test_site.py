"The site, as a reader meets it: crawled whole, on a wide screen, on a phone, in the dark, by keyboard and by mouse, without a network."
from urllib.parse import unquote, urldefrag, urljoin
import pytest
from conftest import BASE, HTML, ROOT, SHOTS

SLIDERS = ['tutorials/see_it_break','tutorials/play_with_masks','03_widgets','10_minimax','12_pgd','16_masks','18_budgets']
PAGES = sorted(p.relative_to(HTML).as_posix() for p in HTML.rglob('*.html') if p.name not in ('404.html','genindex.html') and '_static' not in p.parts)
LINKS = "[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))"
CONTRAST = """() => {
  const rgb = c => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1] }
  const light = c => { const f = v => { v /= 255; return v <= .03928 ? v/12.92 : ((v+.055)/1.055)**2.4 }; return .2126*f(c[0]) + .7152*f(c[1]) + .0722*f(c[2]) }
  const behind = e => { let layers = []; for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3]) layers.push(c); if (c[3]==1) break }
    let c = [255,255,255]; for (const l of layers.reverse()) c = c.map((v,j) => l[j]*l[3] + v*(1-l[3])); return c }
  const bad = []
  for (const e of document.querySelectorAll('main *, .bd-sidebar-primary *')) {
    if (![...e.childNodes].some(n => n.nodeType==3 && n.data.trim()) || !e.getClientRects().length || e.closest('svg, .katex-mathml, .headerlink, [hidden], .visually-hidden')) continue
    const s = getComputedStyle(e), a = light(rgb(s.color)), b = light(behind(e)), ratio = (Math.max(a,b)+.05)/(Math.min(a,b)+.05)
    const large = parseFloat(s.fontSize) >= 24 || (parseFloat(s.fontSize) >= 18.66 && s.fontWeight >= 700)
    if (s.visibility != 'hidden' && +s.opacity && ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)} ${e.tagName}.${e.className}: ${e.textContent.trim().slice(0,40)}`)
  }
  return bad }"""

def test_crawl(site, watched):
    "From the front page to everything that can be reached: no dead link, no missing anchor, no error, no request to anybody else"
    w,todo,seen,ids,wanted,links = watched(),[site+'index.html'],set(),{},set(),0
    while todo:
        url = todo.pop()
        if url in seen: continue
        seen.add(url)
        if not url.endswith(('.html','/')):
            assert w.context.request.get(url).ok, f'dead link to {url}'; continue
        answer = w.page.goto(url)
        assert answer.ok, f'dead link to {url}'
        ids[url] = set(w.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)"))
        broken = w.page.evaluate("[...document.images].filter(i => !i.closest('[hidden]') && !i.hidden && i.complete && !i.naturalWidth).map(i => i.src)")
        mute = w.page.evaluate("[...document.images].filter(i => !(i.alt || '').trim()).map(i => i.src.slice(0,80))")
        assert not broken and not mute, (url, broken, mute)
        for href in w.page.evaluate(LINKS):
            if href.startswith(('mailto:','javascript:')): continue
            to,anchor = urldefrag(urljoin(url, href)); links += 1
            if not to.startswith(site):
                assert not to.startswith(site.removesuffix(BASE+'/')), f'{url} links to {to}, outside the site'
                continue
            if anchor: wanted.add((to, unquote(anchor), url))
            todo.append(to)
    for to,anchor,on in wanted: assert anchor in ids.get(to, {anchor}), f'{on} links to #{anchor}, which is not on {to}'
    unreached = {p for p in PAGES if site+p not in seen} - {'search.html'}
    assert not w.trouble and not w.outside and not unreached, (w.trouble, w.outside, unreached)
    print(f'\n{len(ids)} pages, {len(seen)} addresses, {links} links, {len(wanted)} anchors; 0 dead, 0 errors, 0 requests outside')

def test_names_are_links(site, watched):
    "A public name in backticks is a link to its place in the reference, wherever it stands"
    w,lost = watched(),[]
    w.page.goto(site+'reference.html')
    names = w.page.evaluate("[...document.querySelectorAll('article table a code')].map(c => c.innerText)")
    assert len(names) > 100
    for p in PAGES:
        w.page.goto(site+p)
        lost += [f'{p}: {name}' for name in w.page.evaluate("""names => [...document.querySelectorAll('article :is(p, li, td) code')].filter(c => names.includes(c.innerText) && !c.closest('a, td:first-child')).map(c => c.innerText)""", names)]
    assert not lost, '\n'.join(lost)

def test_search(site, watched):
    w = watched(); w.page.goto(site+'search.html?q=last+batch+norm')
    w.page.wait_for_selector('#search-results li a', timeout=20_000)
    found = w.page.locator('#search-results li a').all_inner_texts()
    assert any('last batch norm' in t.lower() for t in found) and not w.trouble and not w.outside, (found, w.trouble, w.outside)

def test_search_from_the_keyboard(site, watched):
    w = watched(); w.page.goto(site+'index.html')
    w.page.keyboard.press('Control+k'); w.page.keyboard.type('score masks'); w.page.keyboard.press('Enter')
    w.page.wait_for_selector('#search-results li a', timeout=20_000)

def test_formulas(site, watched):
    w = watched(); w.page.goto(site+'10_minimax.html')
    assert w.page.locator('.katex-html').count() > 10 and w.page.locator('.katex-error').count()==0
    fonts = w.page.evaluate("document.fonts.ready.then(f => [...f].filter(x => x.status=='loaded').map(x => x.family))")
    assert any('KaTeX' in f for f in fonts), fonts
    prose = w.page.evaluate("[...document.querySelectorAll('article p')].map(p => { const q = p.cloneNode(true); q.querySelectorAll('.katex, code').forEach(e => e.remove()); return q.textContent }).join(' ')")
    assert len(prose) > 1000 and '$' not in prose and chr(92) not in prose

def shown(figure): return figure.locator('img:not([hidden])').get_attribute('alt')

@pytest.mark.parametrize('page', SLIDERS)
def test_frames_by_keyboard_and_mouse(site, watched, page):
    w = watched(viewport=dict(width=1200, height=900)); w.page.goto(f'{site}{page}.html')
    figures = w.page.locator('figure.frames')
    assert figures.count() >= 1
    for j in range(figures.count()):
        f,bar = figures.nth(j),figures.nth(j).locator('input[type=range]')
        bar.focus(); w.page.keyboard.press('Home'); first,name = shown(f),f.locator('output').inner_text()
        w.page.keyboard.press('ArrowRight'); second = shown(f)
        assert f.locator('output').inner_text() != name
        box = bar.bounding_box(); w.page.mouse.click(box['x']+box['width']-3, box['y']+box['height']/2); last = shown(f)
        assert len({first, second, last})==3 and f.locator('img:not([hidden])').count()==1, (first, second, last)
        assert bar.get_attribute('aria-valuetext')==f.locator('output').inner_text()
    assert not w.trouble

def test_copy_and_download(site, watched):
    w = watched(); w.page.goto(site+'12_pgd.html')
    assert w.page.locator('button.copybtn').count() > 10
    to = w.page.evaluate("[...document.querySelectorAll('a')].map(a => a.href).find(h => h.endsWith('.ipynb'))")
    assert w.context.request.get(to).body()==(ROOT/'nbs'/'12_pgd.ipynb').read_bytes()

def test_reading_order(site, watched):
    "Next, next, next: the story without a gap"
    w = watched(); w.page.goto(site+'tutorials/see_it_break.html'); way = []
    for _ in range(13):
        w.page.locator('a.right-next').click(); w.page.wait_for_load_state()
        way.append(w.page.url.removeprefix(site))
    story = [p for p in way if p[:2].isdigit()]
    assert [p[:2] for p in story][:11]==[f'{n:02d}' for n in range(3,14)], way

def test_wrong_address(site, watched):
    w = watched(); answer = w.page.goto(site+'some/where/else.html'); w.trouble.clear()             # the address itself is in the console
    assert answer.status==404 and 'pruned' in w.page.inner_text('h1')
    assert 'sans' in w.page.evaluate("getComputedStyle(document.querySelector('.bd-sidebar-primary')).fontFamily"), 'its style is not found from here'
    w.page.click('article >> text=the front page'); w.page.wait_for_load_state(); assert w.page.url.endswith('index.html') and not w.trouble

@pytest.mark.parametrize('scheme', ['light','dark'])
def test_contrast(site, watched, scheme):
    "AA: 4.5 to 1 for text, 3 to 1 for large text, on every page"
    w,bad = watched(viewport=dict(width=1200, height=900), color_scheme=scheme),[]
    for p in PAGES:
        w.page.goto(site+p)
        assert w.page.evaluate("document.documentElement.dataset.theme")==scheme
        w.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = w.page.evaluate(CONTRAST)
        if found: w.page.wait_for_timeout(1000); found = w.page.evaluate(CONTRAST)          # colours may still be fading in
        bad += [f'{p}: {b}' for b in found]
    assert not bad, '\n'.join(bad[:30])

def test_phone(site, watched):
    "Nothing is wider than 360 pixels, and the menu opens"
    w = watched(viewport=dict(width=360, height=740)); SHOTS.mkdir(parents=True, exist_ok=True)
    wide = []
    for p in PAGES:
        w.page.goto(site+p)
        if (width := w.page.evaluate('document.documentElement.scrollWidth')) > 360: wide.append((p, width))
    assert not wide, wide
    w.page.goto(site+'index.html'); w.page.screenshot(path=SHOTS/'phone.png')
    w.page.click('.bd-header-article .primary-toggle'); w.page.wait_for_selector('.bd-sidebar-primary >> text=Score masks', state='visible'); w.page.wait_for_timeout(400); w.page.screenshot(path=SHOTS/'phone-menu.png')

def test_dark_by_button(site, watched):
    w = watched(viewport=dict(width=1200, height=900)); w.page.goto(site+'index.html')
    theme = lambda: w.page.evaluate("document.documentElement.dataset.theme")
    assert theme()=='light'
    w.page.click('.theme-switch-button:visible'); w.page.click('.theme-change-button[data-mode=dark]')
    assert theme()=='dark'
    SHOTS.mkdir(parents=True, exist_ok=True); w.page.screenshot(path=SHOTS/'dark.png')
    w.page.goto(site+'12_pgd.html'); assert theme()=='dark', 'the choice is forgotten on the next page'
    w.page.screenshot(path=SHOTS/'dark-page.png')
