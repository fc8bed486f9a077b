"The rules of the house, checked over all pages."
import ast, os, re, shutil, subprocess, sys
import pytest
from run_pages import changed, fold, save
from pages import NBS, PAGES, ROOT, code_cells, defined, directives, is_export, module_of, read, source

NUMBER = {module_of(read(p)): int(p.name[:2]) for p in PAGES if p.name[:2].isdigit()}
IDS = [str(p.relative_to(NBS)) for p in PAGES]
pages = pytest.mark.parametrize('page', PAGES, ids=IDS)

def statements(page):
    for c in code_cells(read(page)):
        try: yield source(c), ast.parse(source(c))
        except SyntaxError: pytest.fail(f'{page.name}: a cell does not parse:\n{source(c)[:200]}')

@pages
def test_weight(page): assert page.stat().st_size <= 300*1024

@pages
def test_outputs_come_from_these_cells(page):
    assert not changed(read(page)), 'the code is not that of the last run: make pages'

@pages
def test_outputs_are_saved_and_clean(page):
    cells = code_cells(read(page))
    assert any(c['outputs'] for c in cells), 'run the page top to bottom before committing it'
    for c in cells:
        for o in c['outputs']:
            assert o['output_type'] != 'error', source(c)
            assert not (o['output_type']=='stream' and o['name']=='stderr'), f"{source(c)[:60]}: {''.join(o['text'])[:200]}"

@pages
def test_what_the_site_folds_jupyterlab_folds(page):
    "make pages sees to it; tools/run_pages.py --fold does only that"
    nb = read(page)
    fold(nb)
    for c,as_it_is in zip(nb['cells'], read(page)['cells']):
        assert c==as_it_is, f'run tools/run_pages.py --fold {page.name}:\n{source(c)[:200]}'
        if '#| code-fold: true' in source(c): assert source(c).startswith('#| code-summary: "'), 'a folded cell says what it holds'

def test_folds_stay(tmp_path):
    "nbdev_clean leaves them"
    shutil.copy(ROOT/'settings.ini', tmp_path)
    nb = read(NBS/'14_binary.ipynb')
    fold(nb)
    assert any(c['metadata'] for c in nb['cells'])
    page = tmp_path/'nbs'/'page.ipynb'
    page.parent.mkdir()
    save({**nb, 'cells': [{**c, 'metadata': {**c['metadata'], 'tags': ['x']}} for c in nb['cells']]}, page)
    for _ in range(2):
        subprocess.run([sys.executable, '-c', 'from nbdev.clean import nbdev_clean; nbdev_clean()'], cwd=tmp_path, check=True)
        assert read(page)['cells']==nb['cells']

@pages
def test_imports_stand_alone_and_go_down(page):
    own = int(page.name[:2]) if page.name[:2].isdigit() else 99
    for src,tree in statements(page):
        found = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
        top = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        assert not top or len(top)==len(tree.body), f'an import among other code:\n{src}'
        for n in found:
            names = [n.module or ''] if isinstance(n, ast.ImportFrom) else [a.name for a in n.names]
            for name in names:
                if name.startswith('robin_nb.'): assert NUMBER[name.split('.')[1]] < own, f'{page.name} imports {name}'
            assert not (isinstance(n, ast.ImportFrom) and any(a.name=='*' for a in n.names)), f'{page.name}: import *'

SLIDERS = ['tutorials/see_it_break', '10_minimax', '12_pgd', '16_masks', '18_budgets', 'tutorials/play_with_masks']
@pytest.mark.parametrize('name', SLIDERS)
def test_sliders_are_where_the_idea_is(name):
    "Each with few small frames of its own words; and what makes a slider is one module, from the ground floor"
    html = [''.join(o['data']['text/html']) for c in code_cells(read(NBS/f'{name}.ipynb')) for o in c['outputs'] if 'text/html' in o.get('data', {})]
    found = [h for h in html if '<figure class="frames"' in h]
    assert found, f'no slider on {name}'
    for frames in found:
        said = re.findall(r'<img alt="([^"]+)"', frames)
        assert 5 <= len(said) <= 7 and len(set(said))==len(said), said

def test_only_one_page_makes_sliders():
    assert NUMBER['widgets'] == 3
    makers = [p.name for p in PAGES if any('ipywidgets' in source(c) for c in code_cells(read(p)))]
    assert makers == ['03_widgets.ipynb'], makers

TEXTS = [*PAGES, ROOT/'README.md', ROOT/'CONTRIBUTING.md']
@pytest.mark.parametrize('file', TEXTS, ids=[*IDS, 'README.md', 'CONTRIBUTING.md'])
def test_shell_blocks_can_be_run(file):
    "What a reader copies into a shell or a script is a script"
    text = file.read_text()
    if file.suffix=='.ipynb': text = '\n'.join(source(c) for c in read(file)['cells'] if c['cell_type']=='markdown')
    for block in re.findall(r'^```(?:bash|sh)\n(.*?)^```', text, re.M | re.S):
        said = subprocess.run(['bash', '-n'], input=block, text=True, capture_output=True)
        assert said.returncode==0 and not said.stderr, f'{block}\n{said.stderr}'
        script = re.match(r'\W*/(usr/)?bin/', block)
        assert not script or block.startswith('#!/'), f'a script begins with #!, not with {script[0]}'

@pages
def test_exports_are_definitions(page):
    for src,tree in statements(page):
        if not is_export(src): continue
        for node in tree.body:
            if isinstance(node, ast.If) and ast.unparse(node.test).startswith("__name__ == '__main__'"): continue     # only where the module is the program
            assert isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)), src[:200]
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith('_'):
                assert ast.get_docstring(node), f'{node.name} has no docstring'
        for name in defined(src):
            constant = not any(isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name==name for n in tree.body)
            assert not constant or name.isupper() or name.startswith('_'), f'{name} would be public by accident'

def test_every_name_is_exported_once():
    seen = {}
    for page in PAGES:
        for src,_ in statements(page):
            if is_export(src):
                for name in defined(src):
                    if name.startswith('_'): continue
                    assert name not in seen, f'{name} is exported by {seen[name]} and {page.name}'
                    seen[name] = page.name

@pages
def test_every_page_has_its_frame(page):
    md = [source(c) for c in read(page)['cells'] if c['cell_type']=='markdown']
    assert re.fullmatch(r'# .+\n\n> .+', md[0]), 'a title and a subtitle, and nothing else: nbdev drops what follows them in their cell'
    if page.stem=='index': return
    assert '**Time**' in md[1] and '**You need**' in md[1]
    assert any('## What you have now' in m for m in md)
    if page.parent.name!='explanations': assert any('## Exercise' in m for m in md)          # a lesson ends with one

def test_export_changes_nothing(tmp_path):
    "The modules in the package are what the pages export, and there are no others; __init__.py alone is written by hand"
    shutil.copytree(NBS, tmp_path/'nbs')
    (tmp_path/'robin_nb').mkdir()
    for name in 'settings.ini', 'robin_nb/__init__.py': shutil.copy(ROOT/name, tmp_path/name)
    env = {k: v for k,v in os.environ.items() if k != 'IN_TEST'}     # there nbdev_export does nothing
    subprocess.run([sys.executable, '-c', 'from nbdev.doclinks import nbdev_export; nbdev_export()'], cwd=tmp_path, env=env, check=True)
    for f in sorted((ROOT/'robin_nb').glob('*.py')):
        made = tmp_path/'robin_nb'/f.name
        assert made.exists(), f'no page makes {f.name}'
        assert f.read_text()==made.read_text(), f'run nbdev_export: {f.name}'

def test_light_imports():
    "Whoever imports the engine gets neither matplotlib nor torchvision nor ipywidgets"
    rest = [m for m in NUMBER if m and m not in ('viz','structure','widgets')]
    code = f"import sys\nfor m in {rest}: __import__('robin_nb.'+m)\nbad = {{'matplotlib','torchvision','ipywidgets','IPython'}} & set(sys.modules)\nassert not bad, bad"
    subprocess.run([sys.executable, '-c', code], check=True)

def test_no_forbidden_words():
    for f in [*PAGES, *(ROOT/'robin_nb').glob('*.py')]:
        text = f.read_text().lower()
        for word in 'prune rate','prune_rate','.cuda()','sys.path': assert word not in text or (f.stem in ('00_core','core') and word=='.cuda()'), f'{word!r} in {f.name}'

def test_ratios(capsys):
    "Style, printed and not enforced: how soon is an exported name used, and does that use assert?"
    names = near = checked = 0
    for page in PAGES:
        cells = [source(c) for c in code_cells(read(page))]
        for j,src in enumerate(cells):
            if not is_export(src): continue
            for name in defined(src):
                if name.startswith('_'): continue
                names += 1
                use = next((k for k in range(j+1, len(cells)) if re.search(rf'\b{name}\b', cells[k])), None)
                if use is not None and use-j <= 2: near += 1; checked += bool(re.search(r'\b(assert|test_\w+|expect_fail|check)\b', cells[use]))
    with capsys.disabled(): print(f'\n{names} exported names; used within two cells: {near/max(names,1):.0%}; that use asserts: {checked/max(near,1):.0%}')
