"""Run pages from top to bottom in a kernel, and save what they printed and drew:  run_pages.py [--fold] [PAGE ...]

Without a page: those whose code changed since their outputs were saved. A page carries the hash of the code that ran in its metadata
(`ran`), so that outputs can be told from leftovers. Proofs (`#| code-fold: true`), imports and code that mostly draws are saved
folded for JupyterLab; --fold does only that, to all pages or to those named."""
import ast, hashlib, json, os, re, sys, time
from pathlib import Path

NBS = Path(__file__).parents[1]/'nbs'

def book():
    "The pages: all notebooks but hidden ones, drafts (_name) and checkpoints"
    return sorted(p for p in NBS.rglob('*.ipynb') if not any(part.startswith(('.', '_')) for part in p.relative_to(NBS).parts))

def text(s): return ''.join(s)
def code(nb): return [c for c in nb['cells'] if c['cell_type']=='code']
def body(src): return '\n'.join(l for l in src.splitlines() if not l.startswith('#|'))
def stamp(nb):
    "The hash of what a page runs: its code, and the package too if the page reads the package's source"
    parts = [body(text(c['source'])) for c in code(nb)]
    if any('robin_nb.__path__' in p for p in parts): parts += [f.read_text(encoding='utf-8') for f in sorted((NBS.parent/'robin_nb').glob('[!_]*.py'))]
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()[:16]
def changed(nb): return nb['metadata'].get('ran') != stamp(nb)

DRAWS = re.compile(r'(axs?|axes|fig|figure|plt)\d*|house_style')               # what somebody who draws has in his hands
def _drawing_lines(tree):
    "The numbers of the lines of `tree` that use an axis, a figure or `plt`"
    found = set()
    for n in ast.walk(tree):
        if not isinstance(n, ast.stmt):
            continue
        inner = getattr(n, 'body', None)                             # of a loop, only its head
        last = inner[0].lineno-1 if inner else n.end_lineno
        used = [m.id for m in ast.walk(n) if isinstance(m, ast.Name) and m.lineno <= last]
        if any(map(DRAWS.fullmatch, used)):
            found |= set(range(n.lineno, last+1))
    return found

def hides(cell):
    """Why the source of code `cell` is folded: a 'proof' says so itself; 'imports' are nothing else, but
    `import robin_nb` is there to be copied; a 'figure' shows one, and half of its ten lines or more draw"""
    src = text(cell['source'])
    said = set(re.findall(r'^#\|\s*(.+?)\s*$', src, re.M))
    if 'code-fold: true' in said:
        return 'proof'
    try:
        tree = ast.parse(body(src))
    except SyntaxError:                                              # a magic
        return ''
    imports = [a.name for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names]
    if tree.body and all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in tree.body):
        return '' if imports==['robin_nb'] else 'imports'
    lines = [l for l in body(src).splitlines() if l.strip()]
    shown = any(m.startswith('image/') for o in cell.get('outputs', []) for m in o.get('data', {}))
    long = shown and len(lines) >= 10 and not said & {'exports', 'echo: false'}
    return 'figure' if long and 2*len(_drawing_lines(tree)) >= len(lines) else ''

def fold(nb):
    """Fold the cells of `nb` that `hides` names, and no others, in JupyterLab.
    Of a folded cell it shows the first line, so that has to be the summary."""
    for c in code(nb):
        if not hides(c):
            hidden = c['metadata'].get('jupyter', {})
            hidden.pop('source_hidden', None)
            if not hidden:
                c['metadata'].pop('jupyter', None)
            continue
        c['metadata'].setdefault('jupyter', {})['source_hidden'] = True
        lines = text(c['source']).splitlines(True)
        summary = [l for l in lines if l.startswith('#| code-summary:')]
        c['source'] = summary + [l for l in lines if l not in summary]

def failure(nb):
    "(cell, what happened) of the first cell that failed, or None"
    for j,c in enumerate(nb['cells']):
        for o in c.get('outputs', []):
            if o['output_type']=='error': return j,f"{o['ename']}: {o['evalue']}"

def _is_bar(output): return re.match(r'\s*\d+%\|', text(output.get('data', {}).get('text/plain', '')))
def _lighten(nb):
    "Of the saved state of widgets, only what is shown, without what is so by default; no bars, which have gone"
    for c in code(nb): c['outputs'] = [o for o in c['outputs'] if not _is_bar(o)]
    shown = re.findall(r'"model_id": "(\w+)"', json.dumps([c.get('outputs') for c in nb['cells']]))
    for kept in nb['metadata'].get('widgets', {}).values():
        models,todo,keep = kept['state'],list(shown),{}
        while todo:
            name = todo.pop()
            if name in keep or name not in models: continue
            keep[name] = models[name] | dict(state={k: v for k,v in models[name]['state'].items() if v is not None})
            todo += re.findall(r'IPY_MODEL_(\w+)', json.dumps(keep[name]))
        kept['state'] = keep

def run(page):
    "`page` as it is after a run in a fresh kernel, stamped; a cell that fails ends it"
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    nb = nbformat.read(page, as_version=4)
    try: NotebookClient(nb, timeout=600, coalesce_streams=True, extra_arguments=['--log-level=ERROR'], resources=dict(metadata=dict(path=str(page.parent)))).execute()
    except CellExecutionError: pass                                  # `failure` finds it
    except (CellTimeoutError, DeadKernelError) as e: return dict(cells=[dict(outputs=[dict(output_type='error', ename=type(e).__name__, evalue=str(e).splitlines()[0])])])
    nb = json.loads(nbformat.writes(nb))
    _lighten(nb)
    fold(nb)
    if not failure(nb): nb['metadata']['ran'] = stamp(nb)
    return nb

def save(nb, page):
    page.write_text(json.dumps(nb, indent=1, ensure_ascii=False) + '\n', encoding='utf-8', newline='\n')

def main(pages):
    if '--fold' in pages:
        for page in [Path(p) for p in pages if p != '--fold'] or book():
            nb = json.loads(page.read_text(encoding='utf-8'))
            fold(nb)
            save(nb, page)
        return
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    pages = [Path(p) for p in pages] or [p for p in book() if changed(json.loads(p.read_text(encoding='utf-8')))]
    bad = []
    for page in pages:
        t,nb = time.time(),run(page)
        if f := failure(nb): bad.append(f'{page.name}, cell {f[0]}: {f[1]}'); continue           # the page stays as it was
        save(nb, page)
        print(f"{page.name}: {time.time()-t:.0f} s, {page.stat().st_size/1024:.0f} kB", flush=True)
    if bad: sys.exit('\n'.join(bad))

if __name__=='__main__': main(sys.argv[1:])
