"README.md from nbs/index.ipynb: markdown cells as they are, shown code in fences, tables as they print, without progress. No other tool is needed."
import json, re
from pathlib import Path

root = Path(__file__).parent.parent

def cell_text(cell):
    src = re.sub(r'<!-- \w+ -->\n*', '', ''.join(cell['source'])).strip()                # marks for the site
    if cell['cell_type']=='markdown': return re.sub(r'\]\((?!http|#)([^)]+)\)', r'](nbs/\1)', src)
    hidden = re.search(r'^#\|\s*(hide|echo: false)', src, re.M)
    out = [] if hidden else [f'```python\n{src}\n```']
    for o in cell['outputs']:
        data = o.get('data', {})
        if 'text/markdown' in data: out.append(''.join(data['text/markdown']).strip())
        elif 'text/plain' in data: out.append('```\n'+''.join(data['text/plain']).strip()+'\n```')
        elif o['output_type']=='stream' and cell['outputs'][-1]['output_type']=='stream': out.append('```\n'+''.join(o['text']).strip()+'\n```')
    return '\n\n'.join(out)

nb = json.loads((root/'nbs'/'index.ipynb').read_text(encoding='utf-8'))
parts = []
for c in nb['cells']:
    t = cell_text(c) if c['cell_type'] in ('markdown','code') else ''
    if t.startswith('```python') and parts and re.fullmatch(r'```python\n[^`]*\n```', parts[-1]): t = parts.pop()[:-3] + t.removeprefix('```python\n')      # an import without an output, and what needs it
    if t: parts.append(t)
(root/'README.md').write_text('<!-- made from nbs/index.ipynb by tools/make_readme.py -->\n\n' + '\n\n'.join(parts) + '\n', encoding='utf-8')
