"""Slides of the pages that a class goes through, into build/slides:  slides.py [PAGE ...]

Which pages, how long each and what is left out says nbs/explanations/class_plan.ipynb. By rule: a
heading begins a slide; of a long paragraph the first sentence, the questions and what is bold are
shown (of an exercise all of it), and the whole of it is in the speaker's notes (key S); what a cell
prints comes with the next key; code of more than ten lines, code that draws, and what goes into the
package are in the notes; proofs, imports and answers are on the page only. What does not fit on a
slide goes to the next, below. Nothing is loaded from elsewhere."""
import ast, base64, html, json, re, shutil, struct, sys
from dataclasses import dataclass, field
from pathlib import Path
import nbformat.v4 as make
from nbconvert import HTMLExporter, SlidesExporter
from traitlets.config import Config

ROOT = Path(__file__).parents[1]
NBS,OUT = ROOT/'nbs',ROOT/'build'/'slides'
sys.path[:0] = [str(ROOT/'tools'), str(ROOT/'tools'/'site')]
from katex import Katex
from run_pages import body, text

CODE_LINES = 10                                   # longer code is in the notes
OUTPUT_LINES = 12                                 # longer outputs are cut
WIDTH,HEIGHT = 1280,720                           # of a slide, in its own pixels
ROOM = 630                                        # of the height, for what it shows
LINE,CODE_LINE,ROW,HEADING = 41,28,38,80          # heights
COLUMNS,CODE_COLUMNS = 84,96                      # characters in a line
WORDS = 40                                        # longer paragraphs are shortened

def read(page):
    return json.loads((NBS/f'{page}.ipynb').read_text(encoding='utf-8'))

@dataclass
class Stop:
    "A page of the plan"
    minutes: int
    title: str
    page: str
    question: str
    leave: tuple = ()                             # headings that the slides leave out
    @property
    def deck(self):
        return Path(self.page).stem + '.html'

def plan():
    "The stops of the class, from the two lists in class_plan.ipynb"
    found = {}
    for c in read('explanations/class_plan')['cells']:
        if c['cell_type']=='code':
            for n in ast.parse(body(text(c['source']))).body:
                if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) in ('plan', 'leave'):
                    found[ast.unparse(n.targets[0])] = ast.literal_eval(n.value)
    return [Stop(*row, found['leave'].get(row[2], ())) for row in found['plan'] if row[2]]

# ---- prose -------------------------------------------------------------------------------------
CODE = r'```.*?```|`[^`\n]*`'
FORMULA = re.compile(rf'(?P<code>{CODE})|\$\$(?P<shown>.+?)\$\$|\$(?P<inline>[^$\s][^$]*?)\$', re.S)

class Formulas:
    "Formulas wait under a name until Markdown, which would read their underscores, is done"
    def __init__(self):
        self.made,self.katex = [],Katex()

    def hide(self, src):
        def name(m):
            if m['code']:
                return m[0]
            self.made.append((m['shown'] or m['inline'], bool(m['shown'])))
            return f'FORMULA{len(self.made)-1}ENDS'
        return FORMULA.sub(name, src)

    def show(self, page):
        def formula(m):
            answer = self.katex(*self.made[int(m[1])])
            if 'error' in answer:
                raise ValueError(f'{answer["error"]} in the formula {self.made[int(m[1])][0]}')
            return answer['html']
        return re.sub('FORMULA(\\d+)ENDS', formula, page)

def own_links(src, stops):
    "Links to pages with slides lead to those; of other links between pages the words stay"
    decks = {Path(s.page).name + '.ipynb': s.deck for s in stops}
    def link(m):
        if not m[2]:                                                  # code
            return m[0]
        deck = decks.get(m[2].split('#')[0].split('/')[-1])
        return m[0] if ':' in m[2] else f'[{m[1]}]({deck})' if deck else m[1]
    return re.sub(rf'{CODE}|\[([^][]+)\]\(([^)\s]+)\)', link, src, flags=re.S)

def sentences(paragraph):
    "Its sentences, each with the star or bracket that closes it"
    return re.findall(r'.+?(?:[.?!][*)"]*(?=\s+[A-Z*`"(±])|$)', paragraph)

def is_aside(paragraph):
    "In brackets, what is needed, or where something comes from: for the notes"
    return bool(re.match(r'\(|\*\*You need|\*[^*].*[^*]\*$|:::', paragraph.strip(), re.S))

def brief(paragraph):
    "Of more than `WORDS` words: the first sentence, the questions, what is bold"
    said = [s.strip() for s in sentences(' '.join(paragraph.split()))]
    if re.match(r'[-|>#]|\d\.|FORMULA\d+ENDS$', paragraph):
        return paragraph
    if len(paragraph.split()) > WORDS:
        said = said[:1] + [s for s in said[1:] if '?' in s or '**' in s]
    return ' '.join(f'<span class="ask">{s}</span>' if s.endswith('?') else s for s in said)

# ---- from cells to slides ----------------------------------------------------------------------
@dataclass
class Item:
    "Something to show: a cell of the slides, and how high it is"
    cell: dict
    height: int

@dataclass
class Slide:
    kind: str                                     # 'slide', or 'subslide': below
    items: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    @property
    def height(self):
        return sum(i.height for i in self.items)

def lines(src, columns):
    return sum(-(-max(1, len(l))//columns) for l in src.splitlines())

def paragraph_item(src):
    "A paragraph, list, table or formula"
    plain = re.sub(r'<[^>]+>|FORMULA\d+ENDS', 'formula', src)
    if src.startswith('#'):
        return Item(make.new_markdown_cell(src), HEADING)
    if src.startswith('|'):
        return Item(make.new_markdown_cell(src), ROW*len(src.splitlines()))
    high = 90 if re.fullmatch(r'FORMULA\d+ENDS', src) else LINE*lines(plain, COLUMNS) + 16
    return Item(make.new_markdown_cell(src), high)

def picture_size(png):
    "Width and height of a base64 PNG, as a slide shows it"
    w,h = struct.unpack('>II', base64.b64decode(''.join(png))[16:24])
    scale = min(1.7, 460/h, 1100/w)
    return round(w*scale), round(h*scale)

def output_item(output, alt):
    "What a cell printed or drew"
    output = json.loads(json.dumps(output))
    data,metadata = output.get('data', {}),{}
    if 'image/png' in data:
        w,high = picture_size(data['image/png'])
        metadata = {'image/png': dict(width=w, height=high, alt=alt)}
        data = {'image/png': data['image/png']}
    elif 'text/markdown' in data:
        data = {'text/markdown': text(data['text/markdown'])}
        high = ROW*len(data['text/markdown'].strip().splitlines())
    else:
        said = text(output.get('text', data.get('text/plain', ''))).rstrip().splitlines()
        if len(said) > OUTPUT_LINES:
            said = [*said[:OUTPUT_LINES], '…']
        data,high = {'text/plain': '\n'.join(said)},CODE_LINE*lines('\n'.join(said), CODE_COLUMNS)
    shown = make.new_output('display_data', data, metadata=metadata)
    cell = make.new_code_cell('', outputs=[shown])
    cell.metadata.tags = ['remove_input']
    return Item(cell, high+24)

IMPORTS = (ast.Import, ast.ImportFrom)
def is_imports(src):
    try:
        return all(isinstance(n, IMPORTS) for n in ast.parse(src).body)
    except SyntaxError:                           # a magic
        return False

def without_checks(code):
    "The code without its top-level assertions"
    kept = code.splitlines()
    for n in reversed(ast.parse(code).body):
        if isinstance(n, ast.Assert):
            del kept[n.lineno-1:n.end_lineno]
    return '\n'.join(kept)

def mostly_draws(code):
    "Whether more than half of the lines are about axes"
    drawing = re.findall(r'^.*(?:\b(?:plt|ax|axes|fig|img)\b|house_style).*$', code, re.M)
    return 2*len(drawing) > len(code.splitlines())

class Deck:
    "The slides of one page"
    def __init__(self, stop, stops, formulas):
        self.stop,self.stops,self.formulas = stop,stops,formulas
        self.slides,self.heading = [],''
        for c in read(stop.page)['cells']:
            add = self.add_prose if c['cell_type']=='markdown' else self.add_code
            add(c)

    def left_out(self):
        return self.heading in self.stop.leave

    def add(self, item, together=0):
        "`item`, on this slide if it and the `together` pixels that belong to it fit, else below"
        slide = self.slides[-1]
        if slide.items and slide.height + item.height + together > ROOM:
            self.slides.append(Slide('subslide'))
        self.slides[-1].items.append(item)

    def add_prose(self, c):
        src = own_links(self.formulas.hide(text(c['source'])), self.stops)
        for part in re.split(r'\n(?=#)|\n\s*\n|\n(?=FORMULA\d+ENDS\n)', src):
            self.add_paragraph(part.strip())

    def add_paragraph(self, part):
        if heading := re.match(r'##? (.+)', part):
            self.heading = heading[1]
            if not self.left_out():
                self.slides.append(Slide('slide'))
        if self.left_out() or not part:
            return
        if part.startswith('> '):                                     # the subtitle of the page
            opening = f'{self.stop.minutes} minutes. <span class="ask">{self.stop.question}</span>'
            self.add(paragraph_item(part))
            self.add(paragraph_item(opening))
            return
        whole = self.heading=='Exercise'
        shown = part if whole else '' if is_aside(part) else brief(part)
        if shown:
            self.add(paragraph_item(shown))
        if ' '.join(part.split()) != re.sub(r'</?span[^>]*>', '', ' '.join(shown.split())):
            self.slides[-1].notes.append(part)

    def add_code(self, c):
        src = text(c['source'])
        code = body(src).strip()
        folded = re.search(r'^#\| *code-fold: *true', src, re.M)
        drawn = any('image/png' in o.get('data', {}) for o in c['outputs'])
        if folded and not drawn or self.heading=='Exercise' or self.left_out() or is_imports(code):
            return
        alt = re.search(r'^#\| *fig-alt: *"(.*)"', src, re.M)
        items = [output_item(o, alt[1] if alt else '') for o in c['outputs']]
        exported = re.search(r'^#\| *exports', src, re.M)
        long = len(code.splitlines()) > CODE_LINES
        if folded or exported or long or drawn and mostly_draws(code):
            self.slides[-1].notes.append(f'```python\n{code}\n```')
        elif re.search(r'^#\| *echo: *false', src, re.M) is None:
            code = without_checks(code)
            high = CODE_LINE*lines(code, CODE_COLUMNS) + 36
            printed = sum(i.height for i in items)
            together = printed if high + printed <= ROOM else 0
            self.add(Item(make.new_code_cell(code), high), together)
        for item in items:
            item.cell.metadata.slideshow = dict(slide_type='fragment')
            self.add(item)

    def notebook(self):
        "The slides as a notebook whose cells say where they stand"
        cells = []
        for slide in self.slides:
            if not slide.items:
                continue
            for j,item in enumerate(slide.items):
                kind = item.cell.metadata.get('slideshow', {}).get('slide_type', '-')
                item.cell.metadata.slideshow = dict(slide_type=kind if j else slide.kind)
                cells.append(item.cell)
            if slide.notes:
                notes = make.new_markdown_cell('\n\n'.join(slide.notes))
                notes.metadata.slideshow = dict(slide_type='notes')
                cells.append(notes)
        return make.new_notebook(cells=cells, metadata=dict(title=self.stop.title,
            language_info=dict(name='python', pygments_lexer='ipython3')))

# ---- to HTML -----------------------------------------------------------------------------------
TEMPLATE = '''{%- extends 'index.html.j2' -%}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block notebook_css %}
<link rel="stylesheet" href="katex/katex.min.css">
{% endblock %}
{% block body_header %}<link rel="stylesheet" href="slides.css">
<body><div class="reveal"><div class="slides">{% endblock %}
{% block body_footer %}</div></div>{% endblock %}
{% block footer_js %}
<script src="reveal.js/dist/reveal.js"></script>
<script src="reveal.js/plugin/notes/notes.js"></script>
<script>Reveal.initialize({width: ''' + f'{WIDTH}, height: {HEIGHT}' + ''',
  margin: .03, center: false, hash: true,
  slideNumber: 'c/t', transition: 'none', plugins: [RevealNotes]})</script>
</body>{% endblock %}
'''
CONFIG = Config(TagRemovePreprocessor=dict(enabled=True, remove_input_tags={'remove_input'}))

def deck_html(deck):
    "The deck as one HTML file, which needs `reveal.js` and `katex` beside it"
    exporter = SlidesExporter(config=CONFIG, raw_template=TEMPLATE, reveal_url_prefix='reveal.js',
        reveal_theme='white', exclude_input_prompt=True, exclude_output_prompt=True,
        exclude_anchor_links=True)
    page,_ = exporter.from_notebook_node(deck.notebook())
    return deck.formulas.show(page)

PAPER = '''<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: {size}/1.5 sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em }}
h1 {{ font-size: 1.6em }} h2 {{ font-size: 1.15em; margin: .9em 0 .2em }}
ol {{ margin: .2em 0 }} p {{ margin: .3em 0 }}
td, th {{ text-align: left; padding: .2em 1em .2em 0; vertical-align: top }}
@page {{ size: A4; margin: 14mm }}
@media print {{ body {{ margin: 0; padding: 0; max-width: none }} }}
</style></head><body>{body}</body></html>
'''
def worksheet_html():
    "The worksheet's title and questions, for paper; its answers stay on the page"
    said = [text(c['source']) for c in read('explanations/worksheet')['cells']]
    cells = [make.new_markdown_cell(own_links(src, [])) for src in said
             if src.startswith(('# ', '## ['))]
    exporter = HTMLExporter(template_name='basic', exclude_anchor_links=True,
                            exclude_input_prompt=True)
    page,_ = exporter.from_notebook_node(make.new_notebook(cells=cells))
    return PAPER.format(title='Predictions', size='11pt', body=page)

def index_html(stops):
    rows = [f'<tr><td>{s.minutes}</td><td><a href="{s.deck}">{html.escape(s.title)}</a></td>'
            f'<td>{html.escape(s.question)}</td></tr>' for s in stops]
    head = '<tr><th>minutes</th><th>slides</th><th>the question to open with</th></tr>'
    said = ('<h1>Ninety minutes</h1><p>Space goes on, S opens the notes, O shows all slides, '
            '?print-pdf behind the address prints them. '
            'On paper: <a href="worksheet.html">the worksheet</a>.</p>')
    table = f'<table>{head}{"".join(rows)}</table>'
    return PAPER.format(title='Slides', size='12pt', body=said+table)

def main(pages):
    stops = plan()
    OUT.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT/'tools'/'slides.css', OUT)
    shutil.copytree(ROOT/'build'/'site'/'assets'/'katex', OUT/'katex', dirs_exist_ok=True)
    for s in stops:
        if not pages or s.page in pages:
            deck = Deck(s, stops, Formulas())
            (OUT/s.deck).write_text(deck_html(deck), encoding='utf-8')
            print(f'{s.deck}: {len(deck.slides)} slides for {s.minutes} minutes')
    (OUT/'worksheet.html').write_text(worksheet_html(), encoding='utf-8')
    (OUT/'index.html').write_text(index_html(stops), encoding='utf-8')

if __name__=='__main__':
    main(sys.argv[1:])
