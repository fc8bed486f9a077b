"""Legible by rule: what ruff, mypy and a few rules of ours ask of each module and of the cells of each page.

    pytest tests/test_legible.py -k 16_masks        # a page
    pytest tests/test_legible.py -k masks.py        # its module
    pytest tests/test_legible.py -k mypy            # every module's annotations"""
import ast, collections, json, subprocess, sys, tokenize
from io import StringIO
import pytest
from pages import NBS, PAGES, ROOT, body, plain, read, source, targets

TESTS = ROOT/'tests'
MODULES = sorted(f for f in (ROOT/'robin_nb').glob('*.py') if f.stem!='_modidx')

def each(files):
    ids = [str(f.relative_to(NBS if f.suffix=='.ipynb' else ROOT)) for f in files]
    return pytest.mark.parametrize('file', files, ids=ids)

def sources(file):
    "(where, source) of each code cell of a page; of a module as a whole"
    if file.suffix=='.py':
        return [(file.name, file.read_text(encoding='utf-8'))]
    cells = enumerate(read(file)['cells'], 1)
    return [(f'{file.name}, cell {j}', plain(source(c))) for j,c in cells if c['cell_type']=='code']

def complain(found):
    if found:
        pytest.fail(f'{len(found)} found\n' + '\n'.join(found), pytrace=False)

def tool(name, *args):
    "What `name`, run in the root, prints"
    command = [sys.executable, '-m', name, *map(str, args)]
    r = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert r.returncode in (0, 1), r.stderr                           # 2: it did not run
    return r.stdout

def nodes(file, *kinds):
    "(where with line, node) of all nodes of these kinds"
    found = [(where, n) for where,src in sources(file) for n in ast.walk(ast.parse(src))]
    return [(f'{where}, line {n.lineno}', n) for where,n in found if isinstance(n, kinds)]

# ---- what tools know ---------------------------------------------------------------------------------
def head(file):
    "How many lines of a module come from nbdev, or from the page's title, and not from a cell"
    lines = sources(file)[0][1].splitlines()
    return next((j for j,l in enumerate(lines) if l.startswith('# %% ../nbs')), 0)

@each([*PAGES, *MODULES])
def test_ruff(file):
    said = tool('ruff', 'check', '--no-cache', '--config', TESTS/'ruff.toml', '--output-format', 'json', file)
    free = head(file) if file.suffix=='.py' else 0
    found = []
    for d in json.loads(said):
        cell = f"cell {d['cell']}, " if d['cell'] else ''
        if d['cell'] or d['location']['row'] > free:
            found.append(f"{file.name}, {cell}line {d['location']['row']}: {d['code']} {d['message']}")
    complain(found)

@pytest.fixture(scope='module')
def mypy():
    "What mypy says of the package, by file"
    found = collections.defaultdict(list)
    for line in tool('mypy', '--config-file', TESTS/'mypy.ini', 'robin_nb').splitlines():
        if ': error:' in line:
            found[line.split(':')[0]].append(line)
    return found

@each(MODULES)
def test_mypy(file, mypy):
    complain(mypy[str(file.relative_to(ROOT))])

# ---- rules of ours -------------------------------------------------------------------------------------
@each(PAGES)
def test_cells_are_small(file):
    "At most 30 lines of code in a cell; directives and empty lines are none"
    lengths = [(where, len(body(src).splitlines())) for where,src in sources(file)]
    complain([f'{where}: {n} lines' for where,n in lengths if n > 30])

@each(PAGES)
def test_no_semicolon(file):
    "Not even the last of a cell, which ruff lets pass"
    found = []
    for where,src in sources(file):
        for token in tokenize.generate_tokens(StringIO(src).readline):
            if token.type==tokenize.OP and token.string==';':
                found.append(f'{where}, line {token.start[0]}: {token.line.strip()[:80]}')
    complain(found)

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
@each([*PAGES, *MODULES])
def test_no_comprehension_in_a_comprehension(file):
    found = []
    for where,outer in nodes(file, *COMPREHENSIONS):
        if any(isinstance(n, COMPREHENSIONS) for n in ast.walk(outer) if n is not outer):
            found.append(f'{where}: {ast.unparse(outer)[:80]}')
    complain(found)

@each([*PAGES, *MODULES])
def test_at_most_four_names_are_unpacked(file):
    "Five things that belong together have names: a dataclass"
    targets = [(where, t) for where,t in nodes(file, ast.Tuple, ast.List) if isinstance(t.ctx, ast.Store)]
    inner = [part for _,t in targets for part in ast.walk(t) if part is not t]
    found = []
    for where,target in targets:
        names = [n for n in ast.walk(target) if isinstance(n, (ast.Name, ast.Attribute, ast.Subscript))]
        stored = [n for n in names if isinstance(n.ctx, ast.Store)]
        if len(stored) > 4 and target not in inner:
            found.append(f'{where}: {ast.unparse(target)[:80]}')
    complain(found)

@each(MODULES)
def test_comments_belong_to_their_parameter(file):
    """Where the comment behind a parameter goes on in the next line, that line is taken for the comment of the
    next parameter: by help(), the commands and the site. A long comment stands above its parameter, in lines of its own"""
    lines = sources(file)[0][1].splitlines()
    found = []
    for _,n in nodes(file, ast.FunctionDef, ast.ClassDef):
        fields = [m for m in n.body if isinstance(m, ast.AnnAssign)] or n.body[:1]
        first,end = (n, n.body[0].lineno-1) if isinstance(n, ast.FunctionDef) else (fields[0], fields[-1].lineno)
        for j in range(first.lineno, end):
            line = lines[j].lstrip()
            behind = len(lines[j])-len(line) > n.col_offset+4
            if line.startswith('#') and behind and '#' in lines[j-1]:
                found.append(f'{file.name}, line {j+1}: {line[:80]}')
    complain(found)

def private(name): return name.startswith('_') and not name.startswith('__')

def ours(n): return n.level or (n.module or '').split('.')[0]=='robin_nb'

@each([*PAGES, *MODULES])
def test_nothing_private_of_another_module(file):
    "Neither `from robin_nb.x import _name` nor `x._name`"
    modules,found = set(),[]
    for where,n in nodes(file, ast.Import, ast.ImportFrom):
        if isinstance(n, ast.Import):
            modules |= {a.asname or a.name for a in n.names if a.name.split('.')[0]=='robin_nb'}
        elif ours(n):
            modules |= {a.asname or a.name for a in n.names if n.module in (None, 'robin_nb')}
            found += [f'{where}: {a.name} of {n.module}' for a in n.names if private(a.name)]
    for where,n in nodes(file, ast.Attribute):
        if private(n.attr) and ast.unparse(n.value) in modules:
            found.append(f'{where}: {ast.unparse(n)}')
    complain(found)

def test_a_private_name_means_one_thing():
    "What two modules both call _name is one thing: give one of them another name, or let one import it"
    meanings = collections.defaultdict(dict)
    for file in MODULES:
        for n in ast.parse(sources(file)[0][1]).body:
            for name in filter(private, targets(n)):
                meanings[name][file.name] = ast.unparse(n)
    complain([f"{name}: {', '.join(where)}" for name,where in meanings.items() if len(where) > 1])
