"""Formulas as HTML, made by KaTeX in node while the site or the slides are built.

make fetches it into build/site/npm."""
import json, subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2]/'build'/'site'/'npm'/'package'/'dist'/'katex.min.js'
PROGRAM = '''const katex = require(process.argv[1])
require('readline').createInterface({input: process.stdin}).on('line', line => {
  const q = JSON.parse(line)
  let a
  try { a = {html: katex.renderToString(q.tex, {displayMode: q.display})} }
  catch (e) { a = {error: String(e)} }
  console.log(JSON.stringify(a))
})'''

class Katex:
    """Formulas become HTML: one node process, a line in, a line out;
    of a formula that KaTeX cannot read, the `error`"""
    def __init__(self):
        self.node = None
    def __call__(self, tex, display):
        if self.node is None:
            command = ['node', '-e', PROGRAM, str(SCRIPT)]
            self.node = subprocess.Popen(command, stdin=-1, stdout=-1, text=True, encoding='utf-8')
        print(json.dumps(dict(tex=tex, display=display)), file=self.node.stdin, flush=True)
        line = self.node.stdout.readline()
        if not line:
            raise RuntimeError('KaTeX does not answer: install node, remove build/site, make again')
        return json.loads(line)
