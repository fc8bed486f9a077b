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
    assert 'last batch norm' in found[0].lower() and not w.trouble and not w.outside, (found, w.trouble, w.outside)

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

STORY = ['tutorials/see_it_break', '10_minimax', '12_pgd', '14_binary', '16_masks', '18_budgets', '24_lbn', '32_train', '34_evaluate']
STORY = [f'{p}.html' for p in STORY]

def test_reading_order(site, watched):
    "Next, next, next: the nine pages of the story, as the sidebar has them, and no side door between; Previous leads back"
    w = watched(viewport=dict(width=1280, height=900)); w.page.goto(site+STORY[0]); way = [STORY[0]]
    beside = w.page.evaluate("[...document.querySelector('.bd-sidebar-primary .bd-toc-item ul').querySelectorAll('a')].map(a => a.href)")
    assert [url.removesuffix('#').removeprefix(site) for url in beside]==STORY
    for _ in STORY[1:]:
        w.page.locator('a.right-next').click(); w.page.wait_for_load_state()
        way.append(w.page.url.removeprefix(site))
    assert way==STORY
    for page in STORY[-2::-1]:
        w.page.locator('a.left-prev').click(); w.page.wait_for_load_state()
        assert w.page.url.removeprefix(site)==page

def test_weight(site, watched):
    "Under 700 kB a page, with all that it loads, unpacked; the search with its index, too"
    w,heavy = watched(viewport=dict(width=1280, height=900)),{}
    loaded = []
    w.page.on('response', lambda r: loaded.append(r))
    for p in [*PAGES, 'search.html?q=attack']:
        loaded.clear()
        w.context.clear_cookies()
        w.page.goto(site+p, wait_until='networkidle')
        w.page.evaluate("document.fonts.ready")
        heavy[p] = sum(len(r.body()) for r in loaded if r.ok)
    worst = sorted(heavy, key=heavy.get)
    print(f'\nthe middle page {heavy[worst[len(worst)//2]]/1000:.0f} kB; ' + ', '.join(f'{p} {heavy[p]/1000:.0f} kB' for p in worst[-4:]))
    assert heavy[worst[-1]] < 700_000, {p: heavy[p] for p in worst if heavy[p] >= 700_000}

def test_what_a_page_says_of_itself(site, watched):
    "Its own one line and a picture that is there, for a search engine or a chat"
    w,said = watched(),{}
    for p in [p for p in PAGES if p != 'search.html']:
        w.page.goto(site+p)
        meta = w.page.evaluate("Object.fromEntries([...document.querySelectorAll('meta[content]')].map(m => [m.getAttribute('property') || m.name, m.content]))")
        lead = w.page.locator('article p.lead').first.inner_text()
        assert meta['description'] and meta['og:description']==meta['description'], p
        assert meta['description'].split()[0]==lead.split()[0] and meta['og:title'], (p, lead, meta)
        picture = meta['og:image']
        assert (HTML/picture[max(picture.rfind('_images/'), picture.rfind('_static/')):]).is_file(), (p, picture)
        said.setdefault(meta['description'], []).append(p)
    drawn = [p for p in PAGES if '_images/' in (HTML/p).read_text().split('og:image')[-1][:120]]
    assert set(STORY)-{'32_train.html'} <= set(drawn) | {'tutorials/see_it_break.html'}, drawn
    assert all(len(pages)==1 or any(p.startswith('api/') for p in pages) for pages in said.values()), said

def test_a_hundred_columns(site, watched):
    "On 1280 pixels, with both menus open, no line of code of up to a hundred columns wraps or has to be pushed aside; nor does a printed one"
    w,wide = watched(viewport=dict(width=1280, height=900)),[]
    for p in PAGES:
        w.page.goto(site+p)
        w.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        wide += [f'{p}: {line}' for line in w.page.evaluate("""() => { const wide = []
            for (const pre of document.querySelectorAll('div.cell_input pre, div.cell_output .highlight pre')) {
              const lines = pre.textContent.split('\\n'), s = getComputedStyle(pre), c = document.createElement('canvas').getContext('2d')
              if (!pre.clientWidth) continue
              c.font = s.font
              const room = pre.clientWidth - parseFloat(s.paddingLeft) - parseFloat(s.paddingRight)
              if (c.measureText('m'.repeat(100)).width > room) wide.push(`100 columns of ${c.font} in ${room}: ${lines[0]}`)
              if (pre.closest('.cell_input') && pre.scrollWidth > pre.clientWidth) wide.push(lines.sort((a,b) => b.length-a.length)[0]) }
            return wide }""")]
    assert not wide, f'{len(wide)}\n' + '\n'.join(wide[:20])

@pytest.mark.parametrize('width', [360, 390])
def test_names_do_not_break(site, watched, width):
    "In the reference each name stands on one line, on a phone too, and none leaves the screen"
    w,broken = watched(viewport=dict(width=width, height=800)),[]
    for p in ['reference.html', *[p for p in PAGES if p.startswith('api/')]]:
        w.page.goto(site+p)
        broken += [f'{p}: {name}' for name in w.page.evaluate("""() => [...document.querySelectorAll('.names td:first-child code, article h2 code')]
            .filter(c => c.getClientRects().length > 1 || c.getBoundingClientRect().height > 2.2*parseFloat(getComputedStyle(c).fontSize) || c.getBoundingClientRect().right > innerWidth).map(c => c.innerText)""")]
    assert not broken, broken

def test_search_leads_to_places_that_are_there(site, watched):
    "Each place that the search knows exists on the site"
    w,lost = watched(),[]
    w.page.goto(site+'search.html')
    places = w.page.evaluate("BOOK.flatMap(place => place.parts.map(part => part[1] ? `${place.at}#${part[1]}` : place.at))")
    assert len(places) > 500
    for page in sorted({place.split('#')[0] for place in places}):
        html = (HTML/page).read_text(encoding='utf-8')
        lost += [place for place in places if place.startswith(page+'#') and f'id="{place.split("#")[1]}"' not in html]
    assert not lost, lost

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
