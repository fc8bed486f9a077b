"""Pages as tests. A page shows its own copy of each exported cell; a test must run the module's. So every exported cell is replaced
by an import of its names from the generated module before the page runs: a module that differs from its page turns the page red."""
import ast, json, re
from pathlib import Path
from IPython.core.inputtransformer2 import TransformerManager
from run_pages import book

ROOT = Path(__file__).parent.parent
NBS = ROOT/'nbs'
PAGES = book()

def read(page): return json.loads(page.read_text(encoding='utf-8'))
def source(cell): return ''.join(cell['source'])
def code_cells(nb): return [c for c in nb['cells'] if c['cell_type']=='code']
def directives(src): return re.findall(r'^#\|\s*(\S+)', src, re.M)
def is_export(src): return 'exports' in directives(src)
def body(src): return '\n'.join(l for l in src.splitlines() if l.strip() and not l.startswith('#|'))

def plain(src):
    "A cell as Python runs it: magics are calls"
    return TransformerManager().transform_cell(src)

def module_of(nb):
    "The module a page exports, or None"
    for c in code_cells(nb):
        if m := re.search(r'^#\|\s*default_exp\s+(\S+)', source(c), re.M): return m[1]

def targets(node):
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)): return [node.name]
    if isinstance(node, ast.AnnAssign): return [node.target.id]
    if isinstance(node, ast.Assign): return [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return []

def defined(src): return [n for node in ast.parse(src).body for n in targets(node)]

def from_module(src, module):
    "What replaces an exported cell: its imports as they are, and its names from the module"
    tree = ast.parse(src)
    imports = [ast.unparse(n) for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    names = defined(src)
    return '\n'.join(imports + ([f"from robin_nb.{module} import {', '.join(names)}"] if names else []))

def as_test(page):
    "The page with its exported cells replaced"
    nb = read(page)
    module = module_of(nb)
    for c in code_cells(nb):
        if is_export(source(c)): c['source'] = from_module(source(c), module)
        c['outputs'],c['execution_count'] = [],None
    return nb
