"""The site's source from the pages: nbs -> _proc (nbdev) -> build/site/src (MyST notebooks, for Sphinx).

Everything that Sphinx would not notice is checked here, and stops the build with page and cell: a cell that fails, a figure without
alt text, a link to a file that is not there, a public name without docstring, a parameter that nothing explains."""
import ast, importlib, inspect, json, os, re, shutil, sys
from pathlib import Path
from functools import partial
from fastcore.docments import docments
from nbdev.config import get_config
from nbdev.doclinks import NbdevLookup
from nbdev.serve import proc_nbs
import finding

HERE,ROOT = Path(__file__).parent,Path(__file__).parents[2]
NBS,PROC,SRC,ASSETS = ROOT/'nbs',ROOT/'_proc',ROOT/'build'/'site'/'src',ROOT/'build'/'site'/'assets'
sys.path.insert(0, str(ROOT/'tools'))
from run_pages import book, changed, failure, hides, run

# Next and the sidebar lead through the story without a detour; its pages stand in the order in which they import each other
READING_ORDER = {
    'The story':        ['tutorials/see_it_break', '10_minimax','12_pgd','14_binary','16_masks','18_budgets','24_lbn','32_train','34_evaluate'],
    'Tutorials':        ['tutorials/first_ticket','explanations/play','tutorials/your_model','tutorials/your_own_loop','tutorials/why_luck_is_enough','tutorials/which_layers','tutorials/break_it_yourself','tutorials/when_it_does_not_work','tutorials/play_with_masks','tutorials/the_masks_are_structured','tutorials/from_85_mb','tutorials/whose_attack','tutorials/table_in_small','tutorials/what_each_ingredient_buys'],
    'Using it':         ['13_guests','35_reports','40_structure','42_additions','44_engine','46_surgery','48_codec','50_packed','52_zoo','54_apgd','56_official','88_command','90_cli'],
    'How it is made':   ['20_matrices','22_maps','26_models','27_files','28_objectives','30_loop','31_checkpoint','33_faster'],
    'The field':        ['29_more_objectives','60_more_maps','62_rules','64_recipes','65_methods','66_board','82_reproduce'],
    'Explanations':     ['explanations/measure','explanations/grid','explanations/paper','explanations/limits','explanations/speed','explanations/machines','explanations/house','explanations/class_plan','explanations/worksheet'],
    'Look up':          ['explanations/glossary','explanations/letters','00_core','01_viz','02_data','03_widgets','92_library'],
}
NAMES = ':::{container} names','',':::'                                # around a table that on a phone is a list
PROMPTS = dict(imports='Imports', figure='How it is drawn')
CONSTANTS = (str, bytes, int, float, dict, tuple)
problems = []
def problem(page, cell, what): problems.append(f"{page}, cell {cell}: {what}" if cell is not None else f"{page}: {what}")

def text(s): return ''.join(s)
def read(file): return json.loads(file.read_text(encoding='utf-8'))
def directives(src): return dict(re.findall(r'^#\|\s*([\w-]+):?[ \t]*(.*)$', src, re.M))
def without_directives(src): return '\n'.join(l for l in src.splitlines() if not l.startswith('#|'))
def markdown(*lines): return dict(cell_type='markdown', metadata={}, source='\n'.join(lines))
def anchor(name):
    kind = 'api-constant-' if name.isupper() else 'api-class-' if name[0].isupper() else 'api-'
    return kind + re.sub('_$', '-in-place', name.lower()).replace('.', '-').replace('_', '-')     # an id does not end with a dash
def defined(src): return [n.name for n in ast.parse(src).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]

# ---- links -------------------------------------------------------------------------------------------------------------------
def own_links(src, names):
    "nbdev's absolute links to names of ours become links into the reference; names that nbdev does not index, constants, become links too"
    host = get_config().doc_host + get_config().doc_baseurl
    def target(m):
        name = m[1].split('#')[-1].split('.')[0]                     # of a method, its class
        return f'](#{anchor(name)})' if name in names else f'](/api/{Path(m[1].split("#")[0]).stem}.md)'
    src = re.sub(r'\]\(' + re.escape(host) + r'/([^)]+)\)', target, src)
    parts = re.split(r'(^```.*?^```)', src, flags=re.S|re.M)         # not in blocks of code
    parts[::2] = [re.sub(r'(?<!\[)`([A-Z_]{3,})`(?!\])', lambda m: f'[`{m[1]}`](#{anchor(m[1])})' if m[1] in names else m[0], s) for s in parts[::2]]
    return ''.join(parts)

def check_links(src, page, cell):
    "Each relative link of a markdown source leads to a file of the book; each picture says what it shows"
    for bang,alt,to in re.findall(r'(!?)\[((?:[^][]|\[[^]]*\])*)\]\(([^)\s]+)\)', re.sub(r'```.*?```|`[^`]*`', '', src, flags=re.S)):
        if bang and not alt.strip(): problem(page, cell, f'the picture {to} has no alt text')
        if re.match(r'https?:|mailto:|#', to): continue
        if not ((NBS/page).parent/to.split('#')[0]).is_file(): problem(page, cell, f'the link to {to} leads nowhere')

# ---- pages -------------------------------------------------------------------------------------------------------------------
def admonitions(src):
    "Quarto's callouts become MyST's admonitions"
    return re.sub(r'^(:{3,})\s*\{\.callout-(\w+)[^}]*\}', r'\1{\2}', src, flags=re.M)

def figure_alt(cell, page, number):
    "The `fig-alt` of a cell that draws"
    pictures = [o for o in cell['outputs'] if any(m.startswith('image/') for m in o.get('data', {}))]
    alt = directives(text(cell['source'])).get('fig-alt', '').strip('"')
    if pictures and not alt: problem(page, number, 'a figure without alt text: say what it shows with #| fig-alt: "..."')
    for o in cell['outputs']:
        for img in re.findall(r'<img\b[^>]*>', text(o.get('data', {}).get('text/html', ''))):
            if not re.search(r'alt="[^"]+"', img): problem(page, number, 'a picture without alt text')
    return alt

def code_cell(cell, page, number, module, names):
    "A code cell for the site: directives become tags; what stands in for a widget goes first"
    src,d = text(cell['source']),directives(text(cell['source']))
    meta,tags = {},[]
    if 'Exported source' in src: tags.append('exported')
    why = hides(cell)                                                # a proof with what it prints; of imports and figures the code only
    if why and ('exported' not in tags or why=='imports'):
        tags.append('hide-cell' if why=='proof' else 'hide-input')
        meta['mystnb'] = dict(code_prompt_show=d.get('code-summary', '').strip('"') if why=='proof' else f'{PROMPTS[why]} of {module}' if 'exported' in tags else PROMPTS[why])
    if d.get('echo')=='false': tags.append('remove-input')
    if alt := figure_alt(cell, page, number): meta.setdefault('mystnb', {})['image'] = dict(alt=alt)
    outputs = []
    for o in cell['outputs']:
        data = dict(o.get('data', {}))
        if 'text/html' in data: data = {k:v for k,v in data.items() if 'widget' not in k}           # no kernel here: the frames instead
        if 'text/markdown' in data: data['text/markdown'] = own_links(NbdevLookup().linkify(text(data['text/markdown'])) or '', names)
        outputs.append({**o, 'data': data} if data else o)
    new = dict(cell_type='code', metadata={**meta, 'tags': tags}, execution_count=None, source=without_directives(src).strip(), outputs=outputs)
    here = [n for n in defined(src) if n in names] if 'exported' in tags else []
    return [markdown(*[f'(src-{anchor(n)})=' for n in here], '', f'<span class="exports">{module}</span>')]*bool(here) + [new]

def stage_page(page, names, doors, places):
    "One processed page as a MyST notebook in the source folder; `places` is told what a search may find there"
    nb,orig,out = read(PROC/page),read(NBS/page),[]
    module = next((m[1] for c in orig['cells'] if (m := re.search(r'#\|\s*default_exp\s+(\S+)', text(c['source'])))), None)
    where = {text(c['source']).strip(): j for j,c in enumerate(orig['cells'])}                     # cells are named by their place in the page
    for j,c in enumerate(orig['cells']):
        if c['cell_type']=='markdown': check_links(text(c['source']), page, j)
    front,*cells = nb['cells']
    title,lead = [re.search(rf'^{key}: (.+?)(?=\n\S|\n---)', text(front['source']), re.M|re.S)[1] for key in ('title','description')]
    unquote = lambda s: ' '.join(s.split()).strip("'\"").replace("''", "'")
    out.append(markdown(f'# {unquote(title)}', '', '{.lead}', unquote(lead)))
    last = 0
    for c in cells:
        src = text(c['source'])
        if 'AUTOGENERATED' in src or c.get('has_sd') or not src.strip(): continue
        bare = without_directives(src).strip()
        last = next((j for s,j in where.items() if bare and without_directives(s).strip()==bare), last)
        if c['cell_type']=='markdown': out.append(markdown(admonitions(own_links(src, names)).replace('<!-- doors -->', doors)))
        else: out += code_cell(c, page, last, f'robin_nb.{module}', names)
    told = [c for c in out[1:] if not {'hide-cell','hide-input','remove-input'} & set(c['metadata'].get('tags', []))]
    cells_of = [(c['cell_type'], text(c['source']), c.get('outputs', [])) for c in told]
    places.append(finding.page(page.removesuffix('.ipynb'), unquote(title), unquote(lead), cells_of))
    for j,c in enumerate(out): c['id'] = f'c{j}'
    target = SRC/page; target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(dict(cells=out, metadata=dict(kernelspec=dict(name='python3', display_name='Python 3'), language_info=dict(name='python', pygments_lexer='ipython3')), nbformat=4, nbformat_minor=5)), encoding='utf-8')

# ---- reference ---------------------------------------------------------------------------------------------------------------
def public_names():
    "{name: (object, module, page)} of all pages that export"
    found = {}
    for file in sorted(NBS.glob('[0-9]*.ipynb')):
        m = re.search(r'#\| *default_exp (\w+)', file.read_text(encoding='utf-8'))
        if not m: continue
        module = importlib.import_module(f'robin_nb.{m[1]}')
        for name in module.__all__: found[name] = getattr(module, name),m[1],file.name
    return found

def letters():
    "What the card of the letters says of each argument that has no comment of its own"
    rows = [[c.strip() for c in l.strip('|').split('|')] for c in read(NBS/'explanations'/'letters.ipynb')['cells'] for l in text(c['source']).splitlines() if l.startswith('| `')]
    return {name: row[1] for row in rows for name in re.findall(r'`(\w+)`', row[0])}

def place(page, name):
    "The cell of `page` that defines `name`"
    return next((j for j,c in enumerate(read(NBS/page)['cells']) if c['cell_type']=='code' and re.search(rf'^(def|class) {name}\b|^{name}\b.*=', text(c['source']), re.M)), None)

def shown(v):
    "A default, or an annotation, as somebody would type it"
    if '<locals>' in getattr(v, '__qualname__', ''): return v.__qualname__.split('.')[0] + '()'
    if isinstance(v, partial): return f"partial({', '.join([v.func.__name__, *[f'{k}={a!r}' for k,a in v.keywords.items()]])})"
    return getattr(v, '__name__', None) or str(v).replace('typing.', '') if v is not inspect.Parameter.empty else ''

def parameters(obj, name, card, link, page):
    "A table of the parameters of `obj`: type, default, and their comment in the source or their place on the card"
    if inspect.isclass(obj) and '__init__' not in vars(obj): return []     # those of its parent
    try: sig,said = inspect.signature(obj),docments(obj)
    except (ValueError, TypeError): return []
    rows = []
    for q,par in sig.parameters.items():
        if q in ('self','iterable') or par.kind in (par.VAR_POSITIONAL, par.VAR_KEYWORD): continue
        what = said.get(q) or card.get(q)
        if not what and not re.search(rf'`{q}\b', inspect.getdoc(obj) or ''): problem(page, place(page, name), f'nothing explains the parameter {q} of {name}: write a comment behind it, or a line on the card of the letters')
        default = '' if par.default is par.empty else f'`{shown(par.default) if callable(par.default) else repr(par.default)}`'
        kind = shown(par.annotation).replace('|', '\\|')               # a bar would end the column
        rows.append(f"| `{q}` | {kind} | {link(default)} | {link(what or '')} |")
    back = said.get('return')
    if back: rows.append(f"| *returns* | {shown(sig.return_annotation)} | | {link(back)} |")
    return ['', *NAMES[:2], '| parameter | type | default | what it is |', '|---|---|---|---|', *rows, NAMES[2], ''] if rows else []

def signature(obj, name):
    try: pars = inspect.signature(obj).parameters.values()
    except (ValueError, TypeError): return name
    parts = [str(q.replace(annotation=q.empty, default=q.empty)) + (f'={shown(q.default) if callable(q.default) else repr(q.default)}' if q.default is not q.empty else '') for q in pars if q.name!='self']
    one = f"{name}({', '.join(parts)})"
    return one if len(one) < 88 else f"{name}(\n    " + ',\n    '.join(parts) + '\n)'

def constant(obj): return f'`{obj!r}`' if len(repr(obj)) < 60 else ', '.join(f'`{k}`' for k in obj)

def entry(obj, name, card, link, page, level='##'):
    "One name of the reference"
    doc = inspect.getdoc(obj) if not inspect.isclass(obj) else obj.__dict__.get('__doc__')
    if not (doc or '').strip() and not isinstance(obj, CONSTANTS): problem(page, place(page, name), f'{name} has no docstring')
    if isinstance(obj, CONSTANTS): body = [f'A {type(obj).__name__}: {link(constant(obj))}']
    else: body = ['```python', signature(obj, name), '```', '', link(doc or ''), *parameters(obj, name, card, link, page)]
    out = [f'({anchor(name)})=', f'{level} `{name}`', '', *body, '']
    if inspect.isclass(obj):
        for m,f in vars(obj).items():
            if not getattr(f, '__module__', 'robin_nb').startswith('robin_nb'): continue      # a default of a field
            prop,f = isinstance(f, property),getattr(f, 'fget', None) or getattr(f, '__func__', f)
            if not m.startswith('_') and inspect.isfunction(f) and f.__doc__: out += [f'**`{name}.{m if prop else signature(f, m)}`**', '', link(f.__doc__), '']
    return out

def stage_reference(names, places):
    "api/NAME.md for each module, and an index of all names"
    card,linkify = letters(),NbdevLookup().linkify
    link = lambda s: own_links(linkify(' '.join(str(s).split()).replace('|', '\\|')) or '', names)
    modules = {}
    for name,(obj,module,page) in names.items(): modules.setdefault((module,page), []).append((name,obj))
    (SRC/'api').mkdir(parents=True, exist_ok=True)
    for (module,page),entries in modules.items():
        lead = importlib.import_module(f'robin_nb.{module}').__doc__
        lines = [f'# robin_nb.{module}', '', '{.lead}', lead, '', f'Page [{page[:2]}](../{page}) writes this module, explains it and tests it.', '']
        for name,obj in entries:
            doc = '' if isinstance(obj, CONSTANTS) else inspect.getdoc(obj) or ''
            code = constant(obj) if isinstance(obj, CONSTANTS) else signature(obj, name)
            places.append(finding.entry(name, module, anchor(name), doc, code))
            lines += entry(obj, name, card, link, page)
            if not isinstance(obj, CONSTANTS): lines += ['{.source}', f'[source, on its page](#src-{anchor(name)})', '']
        (SRC/'api'/f'{module}.md').write_text('\n'.join(lines), encoding='utf-8')
    first = lambda obj: f'a {type(obj).__name__}: {link(constant(obj))}' if isinstance(obj, CONSTANTS) else link((inspect.getdoc(obj) or '').split('; ')[0])
    tables = [['', f'## [{page[:2]} {module}](api/{module}.md)', '', *NAMES[:2], '| name | |', '|---|---|', *[f'| [`{n}`](#{anchor(n)}) | {first(obj)} |' for n,obj in entries], NAMES[2]] for (module,page),entries in modules.items()]
    most = ' · '.join(f'[`{n}`](#{anchor(n)})' for n in ('load_data','small_cnn','sparsify','fgsm_carry','fit','pgd','judge','check_attack','bake','save_model'))
    (SRC/'reference.md').write_text('\n'.join(['# Reference', '', '{.lead}', f'All {len(names)} public names, by the page that makes them', '', f'Most used: {most}.', *sum(tables, []), '',
        '```{toctree}', ':hidden:', '', *[f'robin_nb.{m} <api/{m}>' for m,_ in modules], '```', '']), encoding='utf-8')

# ---- the whole -----------------------------------------------------------------------------------------------------------------
def main():
    shutil.rmtree(SRC, ignore_errors=True); SRC.mkdir(parents=True)
    os.chdir(ROOT)                                                   # where nbdev looks for settings.ini
    pages = [p.relative_to(NBS).as_posix() for p in book()]
    in_order = [f'{p}.ipynb' for part in READING_ORDER.values() for p in part]
    for p in set(pages)-{*in_order, 'index.ipynb'}: problem(p, None, 'this page has no place in the reading order of tools/site/stage.py')
    for p in set(in_order)-set(pages): problem(p, None, 'the reading order names a page that is not there')
    stale = [p for p in pages if changed(read(NBS/p))]               # a page whose cells are not those that ran: does it run?
    for p in pages:
        if bad := failure(run(NBS/p) if p in stale else read(NBS/p)): problem(p, *bad)
    if problems: sys.exit('\n'.join(problems))
    for p in stale: problem(p, None, 'its outputs are not those of its code: make pages')
    proc_nbs(n_workers=0)
    names = public_names()
    assert len(set(map(anchor, names)))==len(names), 'two names share an anchor'
    doors = (HERE/'doors.md').read_text(encoding='utf-8')
    places = []
    for page in pages: stage_page(page, names, doors, places)
    stage_reference(names, places)
    finding.write(places, ASSETS/'search-index.js')
    numbered = lambda p: f"{p[:2]} {titles[p]} <{p}>" if p[:2].isdigit() else p
    titles = {p: text(read(NBS/f'{p}.ipynb')['cells'][0]['source']).split('\n')[0][2:] for part in READING_ORDER.values() for p in part}
    trees = [['```{toctree}', ':hidden:', f':caption: {part}', '', *map(numbered, pages), *(['reference'] if part=='Look up' else []), '```', ''] for part,pages in READING_ORDER.items()]
    index = read(SRC/'index.ipynb'); index['cells'].append(markdown(*sum(trees, [])) | dict(id='toc'))
    (SRC/'index.ipynb').write_text(json.dumps(index), encoding='utf-8')
    shutil.copytree(NBS/'demo', SRC/'demo', ignore=shutil.ignore_patterns('*.json'))
    shutil.copy(HERE/'404.md', SRC)
    if problems: sys.exit('\n'.join(dict.fromkeys(problems)))
    print(f'{len(pages)} pages, {len(names)} names')

if __name__=='__main__': main()
