"Sphinx, for the site: python -m sphinx -c tools/site build/site/src build/site/html"
import sys
from configparser import ConfigParser
from docutils import nodes
from pathlib import Path
from sphinx.util import logging
sys.path.insert(0, str(Path(__file__).parent))
from katex import Katex

ROOT = Path(__file__).parents[2]
ini = ConfigParser(delimiters=['=']); ini.read(ROOT/'settings.ini', encoding='utf-8'); cfg = ini['DEFAULT']

project,author,version,copyright = cfg['title'],cfg['author'],cfg['version'],cfg['copyright']
html_title = project
extensions = ['myst_nb','sphinx_copybutton','sphinx_design']
myst_enable_extensions = ['dollarmath','amsmath','colon_fence','deflist','attrs_inline','attrs_block']
myst_heading_anchors = 3
nb_execution_mode = 'off'
nb_render_markdown_format = 'myst'
nb_ipywidgets_js = {}                                    # no kernel behind the site: explorers bring their frames
nb_mime_priority_overrides = [('html', 'text/html', 0), ('html', 'text/markdown', 1)]
suppress_warnings = ['mystnb.unknown_mime_type']
html_math_renderer = 'katex'
copybutton_exclude = '.linenos, .gp, .go'
highlight_language = 'python3'

html_theme = 'sphinx_book_theme'
html_static_path = [str(Path(__file__).parent/'static'), str(ROOT/'build'/'site'/'assets')]
html_js_files = ['search.js']
html_css_files = ['katex/katex.min.css','style.css']
html_logo = html_favicon = str(Path(__file__).parent/'static'/'robin.svg')
html_show_sphinx = False
html_context = dict(default_mode='auto')
html_theme_options = dict(
    show_navbar_depth=1, max_navbar_depth=2, show_toc_level=2, home_page_in_toc=False, logo=dict(text=project, alt_text=f'{project}, home'),
    use_download_button=True, use_fullscreen_button=True, use_repository_button=False, use_source_button=False,
    navbar_persistent=[], navbar_start=[], navbar_end=[], pygments_light_style='a11y-high-contrast-light', pygments_dark_style='a11y-high-contrast-dark')
if url := cfg.get('repository_url'):
    html_theme_options |= dict(repository_url=url, repository_branch=cfg['branch'], path_to_docs='nbs', use_repository_button=True,
                               launch_buttons=dict(binderhub_url='https://mybinder.org', colab_url='https://colab.research.google.com'))

katex,logger = Katex(),logging.getLogger(__name__)

def formula(self, node):
    display = isinstance(node, nodes.math_block)
    answer = katex(node.astext(), display)
    if 'error' in answer: logger.warning('%s in the formula %s', answer['error'], node.astext(), location=node)
    self.body.append(self.starttag(node, 'div' if display else 'span', CLASS='math') + answer.get('html', '') + ('</div>' if display else '</span>'))
    raise nodes.SkipNode

def finish(app, exception):
    "The download button hands out the page as it is in the book; the page for wrong addresses works from any depth"
    if exception or app.builder.name!='html': return
    out = Path(app.outdir)
    for page in (out/'_sources').rglob('*.ipynb'): page.write_bytes((ROOT/'nbs'/page.relative_to(out/'_sources')).read_bytes())
    lost = out/'404.html'
    lost.write_text(lost.read_text(encoding='utf-8').replace('<head>', f'<head><base href="{cfg["doc_baseurl"].rstrip("/")}/">', 1), encoding='utf-8')

def no_download(app, pagename, templatename, context, doctree):
    "Only pages of the book can be downloaded"
    if not (ROOT/'nbs'/f'{pagename}.ipynb').exists(): context['theme_use_download_button'] = False

def setup(app):
    app.add_html_math_renderer('katex', (formula, None), (formula, None))
    app.connect('html-page-context', no_download, priority=100)
    app.connect('build-finished', finish)
