"The page Play as a reader meets it: the numbers of PyTorch, 20 steps in half a second, by mouse, by keyboard and on a phone, alone."
import sys
import pytest, torch
from conftest import ROOT, SHOTS

sys.path[:0] = [str(ROOT/'tests'), str(ROOT/'tools')]
from play_by_torch import ANSWERS, NETWORKS, PLAY, X, check, questions

@pytest.fixture
def play(site, watched):
    "Opens the page, on a screen as asked for; whatever it does, it asks nobody and complains of nothing"
    opened = []
    def open_page(**kw):
        opened.append(watched(**kw))
        opened[-1].page.goto(site+'explanations/play.html')
        opened[-1].page.locator('.play .verdict').wait_for()
        return opened[-1].page
    yield open_page
    for w in opened: assert not w.outside and not w.trouble, (w.outside, w.trouble)

def ask(page): return lambda asked: page.evaluate(f'([page, questions]) => ({ANSWERS})(page, questions)', [PLAY, asked])

@pytest.mark.parametrize('j', NETWORKS)
def test_numbers_are_those_of_torch(play, j): check(j, ask(play()))

def test_twenty_steps_take_less_than_half_a_second(play):
    "Of one core: time that the browser's thread has worked, so that other work on this machine does not count"
    page = play()
    clock = page.context.new_cdp_session(page)
    clock.send('Performance.enable', dict(timeDomain='threadTicks'))
    def worked(): return next(m['value'] for m in clock.send('Performance.getMetrics')['metrics'] if m['name']=='TaskDuration')
    for j in NETWORKS:
        times = []
        for q in questions(j, torch.zeros_like(X), 20)[:4]:
            before = worked()
            said, = ask(page)([q])
            times.append(worked()-before)
        print(f"\n{PLAY['networks'][j]['name']}: {min(times):.3f} s of work, {said['ms']/1000:.3f} s by the clock")
        assert len(said['points'])==20 and .001 < min(times) < .5, times

def verdict(page): return page.locator('.play .verdict').inner_text()
def pixels(page, what): return page.evaluate("what => document.querySelector(`.play .${what}`).toDataURL()", what)
def sure(page): return page.locator('.play tbody td:nth-child(2)').all_inner_texts()

def seen(page): return [pixels(page, 'x'), pixels(page, 'd'), pixels(page, 'both'), *sure(page), verdict(page)]

def test_all_move_at_once(play):
    "A step changes perturbation, attacked picture, logits and verdict, and not the picture; reset takes it back"
    page = play(viewport=dict(width=1200, height=1200)); first = seen(page)
    assert 'Steps: 0' in verdict(page) and 'Right' in verdict(page), verdict(page)
    page.click('.play .one'); one = seen(page)
    assert 'Steps: 1' in verdict(page) and one[0]==first[0] and all(a != b for a,b in zip(one[1:3], first[1:3])) and one[3:13] != first[3:13]
    page.click('.play .all'); page.wait_for_function("document.querySelector('.play .verdict').textContent.includes('Steps: 21')")
    assert 'Wrong' in verdict(page) and page.locator('.play .verdict').get_attribute('aria-busy')=='false'
    SHOTS.mkdir(parents=True, exist_ok=True); page.locator('.play').screenshot(path=SHOTS/'play.png')
    page.locator('.play .eps').fill('0'); assert 'Right' in verdict(page)                     # and pulled back to nothing
    page.click('.play .reset'); page.locator('.play .eps').fill('0.1'); assert seen(page)==first
    page.click('.play label:has(.random)'); assert seen(page)[1] != first[1] and 'Steps: 0' in verdict(page)

def test_a_perturbation_is_carried_to_another_network(play):
    page = play(); page.click('.play .one')
    page.locator('.play input[type=radio]').nth(1).check()
    assert 'made for another network' in verdict(page)
    page.click('.play .one'); assert 'another' not in verdict(page)

def test_each_picture_can_be_chosen(play):
    page = play(); buttons = page.locator('.play .strip button')
    assert buttons.count()==len(X)
    for j in range(len(X)):
        buttons.nth(j).click()
        assert buttons.nth(j).get_attribute('aria-pressed')=='true' and page.locator('.play .strip [aria-pressed=true]').count()==1
        assert page.locator('.play select').input_value()==str(PLAY['labels'][j])
        assert PLAY['classes'][PLAY['labels'][j]] in buttons.nth(j).get_attribute('aria-label')

def test_drawing(play):
    "With the mouse, on an empty picture; then it is what the network says, until somebody says what it is"
    page = play(); page.click('.play .clear'); page.locator('.play .x').scroll_into_view_if_needed()
    empty,box = seen(page),page.locator('.play .x').bounding_box()
    at = lambda u, v: (box['x']+u*box['width'], box['y']+v*box['height'])
    page.mouse.move(*at(.3,.2)); page.mouse.down(); page.mouse.move(*at(.3,.8), steps=20); page.mouse.up()
    drawn = seen(page)
    assert drawn[0] != empty[0] and drawn[3:13] != empty[3:13] and 'Right' in verdict(page)
    page.mouse.move(*at(.7,.5)); assert seen(page)==drawn                                       # the button is up
    page.locator('.play select').select_option(label=PLAY['classes'][1]); assert PLAY['classes'][1] in verdict(page)

def test_by_keyboard(play):
    "Tab reaches everything; arrows and space work the networks, eps and the pen; enter presses"
    page = play(); page.locator('.play input[type=radio]').first.focus()
    page.keyboard.press('ArrowDown'); assert page.locator('.play input[type=radio]').nth(1).is_checked()
    reached = []
    for _ in range(30):
        page.keyboard.press('Tab')
        reached.append(page.evaluate("(e => e.closest('.play') && (e.className || e.tagName))(document.activeElement)"))
        if reached[-1] is None: break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != 'none', f'{reached[-1]} shows no focus'
    assert len(reached)==len(X)+9 and {'x','eps','SELECT','random','one','all','reset','clear'} <= set(reached), reached
    before,down = pixels(page, 'x'),page.evaluate('scrollY')
    page.locator('.play .x').focus(); down = page.evaluate('scrollY')
    page.keyboard.press('ArrowDown'); assert pixels(page, 'x') != before and page.evaluate('scrollY')==down
    page.keyboard.press(' '); assert pixels(page, 'x') != before
    eps = page.locator('.play output').inner_text()
    page.locator('.play .eps').focus(); page.keyboard.press('ArrowRight'); assert page.locator('.play output').inner_text() > eps
    page.locator('.play .one').focus(); page.keyboard.press('Enter'); assert 'Steps: 1' in verdict(page)
    unnamed = page.evaluate("""[...document.querySelectorAll('.play :is(button, canvas[role], input, select)')].filter(e =>
        !(e.ariaLabel || e.innerText || (e.labels && e.labels[0] && e.labels[0].innerText)).trim()).map(e => e.outerHTML)""")
    assert not unnamed and page.locator('.play .verdict').get_attribute('aria-live')=='polite', unnamed

@pytest.mark.parametrize('scheme', ['light','dark'])
def test_on_a_phone(play, scheme):
    "Nothing is wider than 360 pixels, a finger draws, and the controls are large enough for one"
    page = play(viewport=dict(width=360, height=740), has_touch=True, is_mobile=True, color_scheme=scheme)
    assert page.evaluate('document.documentElement.scrollWidth') <= 360
    wide = page.evaluate("[...document.querySelectorAll('.play *')].filter(e => e.getBoundingClientRect().right > 360).map(e => e.outerHTML.slice(0,90))")
    assert not wide, wide
    ground = page.evaluate("getComputedStyle(document.querySelector('.play').parentElement).backgroundColor")
    assert ground=='rgba(0, 0, 0, 0)', f'a ground of its own in the {scheme}: {ground}'
    before = pixels(page, 'x'); page.locator('.play .x').tap(); assert pixels(page, 'x') != before
    assert min(b['height'] for b in (page.locator('.play .tools button').nth(j).bounding_box() for j in range(4))) >= 24
    page.locator('.play').screenshot(path=SHOTS/f'play-phone-{scheme}.png')
