"""What a class takes along: slides by rule, a worksheet of what the pages computed today, and their
HTML, which asks nothing of another machine. (In a browser: tests/browser/test_slides.py.)"""
import io, json, re, shutil, subprocess
from contextlib import redirect_stdout
import pytest
import slides
from pages import ROOT, body, code_cells, directives, is_export, read, source

STOPS = slides.plan()
each = pytest.mark.parametrize('stop', STOPS, ids=[s.page for s in STOPS])

@pytest.fixture(scope='module')
def decks():
    return {s.page: slides.Deck(s, STOPS, slides.Formulas()) for s in STOPS}

def cells_of(deck, kind):
    return [i.cell for s in deck.slides for i in s.items if i.cell.cell_type==kind]

def test_the_plan():
    "Seven pages in the order of the class, each with a question to open with"
    pages = 'see_it_break 10_minimax 14_binary 16_masks first_ticket break_it_yourself limits'
    assert [s.deck for s in STOPS]==[f'{page}.html' for page in pages.split()]
    assert all(s.question.endswith('?') and s.minutes > 0 for s in STOPS)

@each
def test_a_slide_holds_what_fits(stop, decks):
    deck = decks[stop.page]
    for s in deck.slides:
        assert s.height <= slides.ROOM, (s.height, [i.cell.source[:60] for i in s.items])
    for c in cells_of(deck, 'code'):
        assert len(c.source.splitlines()) <= slides.CODE_LINES, c.source
        for said in [o.data.get('text/plain', '') for o in c.outputs if 'image/png' not in o.data]:
            assert len(said.splitlines()) <= slides.OUTPUT_LINES+1, said
    assert len(deck.slides) <= 2*stop.minutes

@each
def test_a_slide_shows_what_a_class_should_see(stop, decks):
    "Headings, questions and figures, but no proof, no import, nothing exported, no answer"
    page,deck = read(slides.NBS/f'{stop.page}.ipynb'),decks[stop.page]
    prose = '\n\n'.join(source(c) for c in page['cells'] if c['cell_type']=='markdown')
    shown = '\n\n'.join(c.source for c in cells_of(deck, 'markdown'))
    headings = re.findall(r'^##? (.+)', prose, re.M)
    assert re.findall(r'^##? (.+)', shown, re.M)==[h for h in headings if h not in stop.leave]
    assert stop.question in shown
    code = [body(c.source) for c in cells_of(deck, 'code')]
    unwanted = r'^(import|from) |^check\(|^def check|^mine\b'
    assert not any(re.search(unwanted, src, re.M) for src in code)
    for c in code_cells(page):
        hidden = is_export(source(c)) or 'code-fold:' in directives(source(c))
        assert not (hidden and body(source(c)).strip() in code), source(c)
    if not stop.leave:
        figures = json.dumps(page).count('"image/png":')
        assert json.dumps(cells_of(deck, 'code')).count('"image/png": "')==figures

def test_an_exercise_is_not_shortened(decks):
    deck = decks['tutorials/break_it_yourself']
    shown = ' '.join(c.source for c in cells_of(deck, 'markdown'))
    assert 'So hide it. Write a fraud around `plain`' in shown

def test_code_is_left_as_it_is():
    "What looks like a link or a formula in code is none"
    linked = slides.own_links('`INITS[name](keep)` and [a page](16_masks.ipynb)', STOPS)
    assert linked=='`INITS[name](keep)` and [a page](16_masks.html)'
    assert slides.own_links('[page 24](24_lbn.ipynb)', STOPS)=='page 24'
    assert slides.Formulas().hide('`$x$` and $x_1$')=='`$x$` and FORMULA0ENDS'

def test_sentences_are_whole():
    said = 'A price (see below.) is fixed. **It never pays.** Is it? ' + 'Word '*40 + 'end.'
    assert slides.sentences(said)[:2]==['A price (see below.) is fixed.', ' **It never pays.**']
    short = 'A price (see below.) is fixed. **It never pays.** <span class="ask">Is it?</span>'
    assert slides.brief(said)==short

# ---- HTML --------------------------------------------------------------------------------------
@pytest.fixture(scope='module')
def beside():
    "The folder of the slides with what lies beside them"
    if not (shutil.which('node') and shutil.which('npm')):
        pytest.skip('no node and npm: slides set their formulas with them')
    wanted = 'build/site/assets/katex/katex.min.css','build/slides/reveal.js/dist/reveal.js'
    made = subprocess.run(['make', *wanted], cwd=ROOT, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f'npm fetches nothing here: {made.stderr.strip()[-200:]}')
    return slides.OUT

def loads(page):
    "All that the tags of `page` load"
    tags = re.findall(r'<(?:script|link|img|iframe|source|video)\b[^>]*>', page)
    return [at for tag in tags for at in re.findall(r'\b(?:src|href)="([^"]*)"', tag)]

def test_a_deck_asks_nothing_of_another_machine(beside, decks):
    "Scripts, styles and pictures lie beside it or in it, and formulas are set"
    page = slides.deck_html(decks['10_minimax'])
    slides.main([STOPS[0].page])
    for at in loads(page):
        assert at.startswith('data:image/') or (beside/at).is_file(), at[:80]
    words = re.sub(r'data:[^"]*', '', page)
    assert not re.search(r'@import|url\(|import\(|unpkg|cdnjs|MathJax', words)
    assert 'class="katex-display"' in page and not re.search(r'FORMULA\d|\$\$', page)
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r'<img\b[^>]*>', page))
    assert page.count('<section')-page.count('</section')==0 and '<aside class="notes"' in page
    for name in 'index.html','worksheet.html',STOPS[0].deck:
        for at in loads((beside/name).read_text(encoding='utf-8')):
            assert at.startswith('data:image/') or (beside/at).is_file(), f'{name}: {at[:80]}'

# ---- the worksheet -----------------------------------------------------------------------------
def test_each_question_has_its_answer_and_pages_their_turn():
    nb = read(slides.NBS/'explanations'/'worksheet.ipynb')
    asked = [source(c) for c in nb['cells'] if source(c).startswith('## [')]
    pages = [re.match(r'## \[.*\]\(\.\./(.*)\.ipynb\)', src)[1] for src in asked]
    assert pages==[s.page for s in STOPS]
    outputs = [o for c in code_cells(nb) for o in c['outputs'] if 'text' in o]
    answers = [''.join(o['text']) for o in outputs]
    for questions,lines in zip(asked, answers, strict=True):
        numbers = re.findall(r'^(\d+)\. ', questions, re.M)
        assert numbers==re.findall(r'^ *(\d+)\. .*\d', lines, re.M)
        assert questions.count('My guess: ___')==len(numbers)

def test_the_worksheet_says_what_the_pages_say_today():
    "Whoever runs one of the pages anew runs the worksheet too"
    cells,names = code_cells(read(slides.NBS/'explanations'/'worksheet.ipynb')),{}
    for c in cells:
        said = io.StringIO()
        with redirect_stdout(said):
            exec(source(c), names)
        saved = ''.join(''.join(o['text']) for o in c['outputs'] if 'text' in o)
        assert said.getvalue()==saved, 'run tools/run_pages.py nbs/explanations/worksheet.ipynb'
