"What must stop `make docs`, with page and cell named. (The site itself is tested in a browser: make browser-test.)"
import json, os, re, runpy, shutil, subprocess, sys
import pytest
from pages import ROOT, read, source
from run_pages import hides

def copied(to):
    "A copy of the book in folder `to`"
    for name in 'nbs','robin_nb','tools': shutil.copytree(ROOT/name, to/name, ignore=shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints'))
    for name in 'settings.ini','README.md': shutil.copy(ROOT/name, to)
    return to

@pytest.fixture
def copy(tmp_path):
    "A copy of the book that may be spoilt"
    return copied(tmp_path)

def stage(folder): return subprocess.run([sys.executable, 'tools/site/stage.py'], cwd=folder, env={**os.environ, 'PYTHONPATH': str(folder)}, capture_output=True, text=True)

@pytest.fixture(scope='session')
def staged(tmp_path_factory):
    "The site's source, staged once from the book as it is; what the tool said"
    folder = copied(tmp_path_factory.mktemp('book'))
    return folder/'build'/'site',stage(folder)

def spoil(page, find, old, new):
    "Change `old` into `new` in the cell of `page` that contains `find`; its number"
    nb = read(page)
    j = next(j for j,c in enumerate(nb['cells']) if find in source(c))
    changed = source(nb['cells'][j]).replace(old, new); assert changed != source(nb['cells'][j])
    nb['cells'][j]['source'] = changed.splitlines(True)
    page.write_text(json.dumps(nb), encoding='utf-8')
    return j

def test_the_book_as_it_is(staged):
    "Nothing stops the site: all links lead somewhere, figures have words, names and parameters are explained"
    site,r = staged
    assert r.returncode==0, r.stderr
    for file in (site/'src'/'api').glob('*.md'):                     # its table says it
        assert 'Args:' not in file.read_text(), f'{file.name}: comments behind parameters twice'

def test_a_failing_cell_stops_the_site(copy):
    j = spoil(copy/'nbs'/'14_binary.ipynb', 'test_same(', 'test_same(', 'assert False, "spoilt"\ntest_same(')
    r = stage(copy)
    assert r.returncode and f'14_binary.ipynb, cell {j}: AssertionError: spoilt' in r.stderr, r.stderr

def test_bad_pages_stop_the_site(copy):
    link = spoil(copy/'nbs'/'24_lbn.ipynb', '26_models.ipynb', '26_models.ipynb', '09_modles.ipynb')
    alt = spoil(copy/'nbs'/'18_budgets.ipynb', '#| fig-alt', '#| fig-alt', '#| was-alt')
    doc = next(j for j,c in enumerate(read(copy/'nbs'/'14_binary.ipynb')['cells']) if 'def is_binary' in source(c))
    module = copy/'robin_nb'/'binary.py'; text = module.read_text()
    module.write_text(re.sub(r'(def is_binary\(.*\n) +".*"\n', r'\1', text)); assert module.read_text() != text
    r = stage(copy)
    assert r.returncode
    for said in (f'24_lbn.ipynb, cell {link}: the link to 09_modles.ipynb leads nowhere', f'18_budgets.ipynb, cell {alt}: a figure without alt text', f'14_binary.ipynb, cell {doc}: is_binary has no docstring'):
        assert said in r.stderr, (said, r.stderr)

# ---- what is folded ----------------------------------------------------------------------------------------------------------
def cell(*lines, picture=False):
    "A code cell of `lines`, with a picture as its output or none"
    outputs = [dict(output_type='display_data', data={'image/png': 'x'}, metadata={})]*picture
    return dict(cell_type='code', metadata={}, source='\n'.join(lines).splitlines(True),
                outputs=outputs, execution_count=None)

DRAWING = ['_,ax = plt.subplots()', *[f'ax.plot(x, {j}*y)' for j in range(10)], "ax.set(title='ten lines')"]
CELLS = {
    'imports':          cell('import torch', 'from robin_nb.core import (Table,', '    set_seed)'),
    'exported imports': cell('#| exports', 'import torch'),
    'the one door':     cell('import robin_nb as rb'),
    'imports and more': cell('import torch', 'torch.ones(3)'),
    'a proof':          cell('#| code-summary: "Proof"', '#| code-fold: true', 'assert True'),
    'a figure':         cell('#| fig-alt: "Ten lines"', *DRAWING, picture=True),
    'no picture':       cell(*DRAWING),
    'a short figure':   cell(*DRAWING[:5], picture=True),
    'mostly sums':      cell(*DRAWING[:6], *['n += 1']*8, picture=True),
    'drawn by export':  cell('#| exports', *DRAWING, picture=True),
    'not shown':        cell('#| echo: false', *DRAWING, picture=True),
}
FOLDED = {'imports': 'imports', 'exported imports': 'imports', 'a proof': 'proof', 'a figure': 'figure'}

def test_what_is_folded():
    "Proofs, imports, and code that mostly draws; never the line that a reader should copy"
    assert {name: why for name,c in CELLS.items() if (why := hides(c))}==FOLDED

def is_folded(c): return c['metadata'].get('jupyter', {}).get('source_hidden', False)

def test_a_folded_page_is_still_folded_when_cleaned(copy):
    "What JupyterLab shows folded is what `--fold` folded, before and after nbdev_clean; a second sweep changes nothing"
    page = copy/'nbs'/'tutorials'/'see_it_break.ipynb'
    page.write_text(json.dumps(read(page) | dict(cells=list(CELLS.values()))), encoding='utf-8')
    sweep = [sys.executable, 'tools/run_pages.py', '--fold', str(page)]
    subprocess.run(sweep, cwd=copy, check=True)
    swept = page.read_bytes()
    assert [is_folded(c) for c in read(page)['cells']]==[name in FOLDED for name in CELLS]
    clean = 'from nbdev.clean import nbdev_clean; nbdev_clean()'
    subprocess.run([sys.executable, '-c', clean], cwd=copy, check=True)
    assert [is_folded(c) for c in read(page)['cells']]==[name in FOLDED for name in CELLS]
    subprocess.run(sweep, cwd=copy, check=True)
    assert [c['source'] for c in read(page)['cells']]==[c['source'] for c in json.loads(swept)['cells']]

def test_what_the_site_folds(staged):
    "Of imports and of code that mostly draws the site hides the source, of a proof what it prints, too"
    site,r = staged
    assert r.returncode==0, r.stderr
    tags = {}
    for c in read(site/'src'/'24_lbn.ipynb')['cells']:
        if c['cell_type']=='code':
            hidden = next((t for t in c['metadata']['tags'] if t.startswith('hide-')), '')
            tags.setdefault((hidden, c['metadata'].get('mystnb', {}).get('code_prompt_show', '')), c)
    assert source(tags['hide-input', 'Imports']).startswith('import')
    assert 'ax.' in source(tags['hide-input', 'How it is drawn'])
    assert any(hidden=='hide-cell' and said.startswith('Proof: ') for hidden,said in tags)

# ---- the way through, and the way in ---------------------------------------------------------------------------------------
SPINE = ['tutorials/see_it_break', '10_minimax', '12_pgd', '14_binary', '16_masks', '18_budgets', '24_lbn', '32_train', '34_evaluate']

def test_the_story_leads_through_nine_pages(staged):
    "Next and the sidebar follow this tree: nine pages, in the order in which they import each other, and no side door between"
    site,r = staged
    assert r.returncode==0, r.stderr
    trees = re.findall(r'```{toctree}\n:hidden:\n:caption: (.+?)\n\n(.*?)\n```', source(read(site/'src'/'index.ipynb')['cells'][-1]), re.S)
    pages = {part: [re.sub(r'.*<(.*)>', r'\1', line) for line in lines.split('\n') if line] for part,lines in trees}
    assert list(pages)[0]=='The story' and pages['The story']==SPINE
    numbers = [page[:2] for page in SPINE[1:]]
    assert numbers==sorted(numbers)
    assert {'How it is made','Using it','The field','Tutorials','Explanations'} <= set(pages)

FIND = """
const fs = require('fs'), vm = require('vm'), box = {}
vm.runInNewContext(fs.readFileSync(process.argv[1], 'utf8'), box)
const {find, excerpt} = require(process.argv[2])
const answer = query => find(box.BOOK, query).slice(0, 3).map(r => [r.place.at, excerpt(r, query)])
console.log(JSON.stringify(process.argv.slice(3).map(answer)))
"""

def searched(site, *queries):
    "For each of `queries` the first three places, [address, excerpt]"
    if not shutil.which('node'): pytest.skip('no node: the search of the site runs in JavaScript')
    js = ROOT/'tools'/'site'/'static'/'search.js'
    r = subprocess.run(['node', '-e', FIND, site/'assets'/'search-index.js', js, *queries], capture_output=True, text=True)
    assert r.returncode==0, r.stderr
    return json.loads(r.stdout)

FIRST = {
    'sparsify': 'api/maps.html#api-sparsify',
    'vit': '20_matrices.html',
    'normalisation': '26_models.html',
    'my own model': 'tutorials/your_model.html',
}

@pytest.mark.parametrize('query', FIRST)
def test_search_finds_the_right_page_first(staged, query):
    "With an excerpt that is a piece of prose: no TeX, no markup, no code"
    [(at,words),*_], = searched(staged[0], query)
    assert at==FIRST[query], searched(staged[0], query)
    assert 40 < len(words) < 240 and not re.search(r'[`$\\{}|#]|\]\(', words), words

def test_search_knows_both_spellings(staged):
    queries = ['normalisation', 'normalization', 'Normalize', 'normalised']
    answers = [{at for at,_ in found} for found in searched(staged[0], *queries)]
    assert all('26_models.html' in places for places in answers), answers

# ---- where a page can be run ------------------------------------------------------------------------------------------------
def promised(copy, line):
    "The buttons above a page if settings.ini says `line`: {text: address}"
    pytest.importorskip('sphinx', reason="the site is an extra: pip install 'robin_nb[docs]'")
    ini = copy/'settings.ini'
    ini.write_text(re.sub('^repository_url =.*$', line, ini.read_text(), flags=re.M))
    conf = runpy.run_path(str(copy/'tools'/'site'/'conf.py'))
    return {b['text']: b['url'] for group in conf['buttons']('12_pgd', '_sources/12_pgd.ipynb') for b in group['buttons']}

def test_no_button_promises_what_it_cannot_keep(copy):
    "Without an address that others can open, a page can be downloaded, and no more"
    assert promised(copy, 'repository_url =')=={'Notebook': '_sources/12_pgd.ipynb'}

def test_one_line_of_settings_makes_the_buttons(copy):
    found = promised(copy, 'repository_url = https://github.com/somebody/fork')
    assert found['Colab']=='https://colab.research.google.com/github/somebody/fork/blob/main/nbs/12_pgd.ipynb'
    assert found['Binder']=='https://mybinder.org/v2/gh/somebody/fork/main?urlpath=lab/tree/nbs/12_pgd.ipynb'
    assert (ROOT/'nbs'/'12_pgd.ipynb').is_file() and 'Notebook' in found

def test_an_address_that_colab_cannot_open_is_refused(copy):
    with pytest.raises(ValueError, match='https://github.com/OWNER/NAME, which Colab and Binder can open, or nothing; got https://example.org'):
        promised(copy, 'repository_url = https://example.org/x')
