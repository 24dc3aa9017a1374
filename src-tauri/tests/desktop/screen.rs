//! The windows on a display, and the keys of the person before it.

use std::cell::{Cell, RefCell};

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask, ImageFormat, InputFocus,
    KEY_PRESS_EVENT, KEY_RELEASE_EVENT, MapState, Window, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::{COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME, NONE};

use crate::until;

/// More bytes of a picture than a text cursor has.
const CURSOR: usize = 400;
/// How often in a row a picture is the same that stands still.
const STILL: usize = 10;
/// How often a cursor has come or gone that is there.
const BLINKS: usize = 2;
const TAB: u32 = 0xff09;
const RETURN: u32 = 0xff0d;
const ALT: u32 = 0xffe9;
const CONTROL: u32 = 0xffe3;
/// The bit of a window's hints that says it wants attention.
const URGENT: u32 = 1 << 8;

/// A display.
pub(crate) struct Screen {
    x: RustConnection,
    root: Window,
}

/// The keys that are no letters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// To the next field.
    Tab,
    /// The form's first button.
    Return,
}

impl Screen {
    /// Looks at a display.
    pub(crate) fn of(display: &str) -> Self {
        let (x, number) = x11rb::connect(Some(display)).unwrap();
        let root = x.setup().roots[number].root;
        Self { x, root }
    }

    /// Waits for a window whose title is this.
    pub(crate) async fn window(&self, title: &str) -> Window {
        until(&format!("the window {title:?}"), async || self.find(title)).await
    }

    /// Waits for another window than this one, with the same title.
    pub(crate) async fn another_window(&self, title: &str, than: Window) -> Window {
        until(&format!("another window {title:?}"), async || {
            let shown = self.shown(self.root).into_iter();
            shown
                .filter(|(window, _)| *window != than)
                .find(|(_, found)| found == title)
                .map(|(window, _)| window)
        })
        .await
    }

    /// Waits until no window has this title.
    pub(crate) async fn no_window(&self, title: &str) {
        until(&format!("the end of the window {title:?}"), async || self.find(title).is_none().then_some(()))
            .await;
    }

    /// Waits until this window is gone.
    pub(crate) async fn gone(&self, window: Window) {
        let is_there = || self.shown(self.root).iter().any(|(shown, _)| *shown == window);
        until("the end of a window", async || (!is_there()).then_some(())).await;
    }

    /// The titles of all windows that can be seen.
    pub(crate) fn titles(&self) -> Vec<String> {
        self.shown(self.root).into_iter().map(|(_, title)| title).collect()
    }

    /// Closes a window as its frame's button does.
    pub(crate) fn close(&self, window: Window) {
        let protocols = self.atom("WM_PROTOCOLS");
        let data = [self.atom("WM_DELETE_WINDOW"), CURRENT_TIME, 0, 0, 0];
        let message = ClientMessageEvent::new(32, window, protocols, data);
        self.x.send_event(false, window, EventMask::NO_EVENT, message).unwrap();
        self.x.flush().unwrap();
    }

    /// Waits until a window's picture stands still, but for a cursor that blinks: all is drawn and has its place then.
    pub(crate) async fn stands_still(&self, window: Window) {
        let (before, times) = (RefCell::new(Vec::new()), Cell::new(0));
        until("a picture that stands still", async || {
            let now = self.picture(window)?;
            let before = before.replace(now.clone());
            times.set(if changed(&before, &now) < CURSOR { times.get() + 1 } else { 0 });
            (times.get() == STILL).then_some(())
        })
        .await;
    }

    /// Waits until a cursor blinks in a window, and nothing else in it changes: keys have a field to go to then.
    pub(crate) async fn cursor_blinks(&self, window: Window) {
        let (before, blinks) = (RefCell::new(Vec::new()), Cell::new(0));
        until("a cursor that blinks", async || {
            let now = self.picture(window)?;
            let before = before.replace(now.clone());
            match changed(&before, &now) {
                0 => {}
                change if change < CURSOR => blinks.set(blinks.get() + 1),
                _ => blinks.set(0),
            }
            (blinks.get() == BLINKS).then_some(())
        })
        .await;
    }

    /// Whether a window has the desktop point at it (ICCCM, 4.1.2.4).
    pub(crate) fn is_pointed_at(&self, window: Window) -> bool {
        let (hints, any) = (AtomEnum::WM_HINTS, AtomEnum::ANY);
        let hints = self.x.get_property(false, window, hints, any, 0, 1).unwrap().reply().unwrap();
        hints.value32().and_then(|mut words| words.next()).is_some_and(|flags| flags & URGENT != 0)
    }

    /// Gives a window the keyboard.
    pub(crate) fn focus(&self, window: Window) {
        self.x.set_input_focus(InputFocus::PARENT, window, CURRENT_TIME).unwrap().check().unwrap();
    }

    /// Gives the keyboard to another program.
    pub(crate) fn focus_elsewhere(&self) {
        let (window, values) = (self.x.generate_id().unwrap(), CreateWindowAux::new());
        let (depth, class, visual) = (COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT, COPY_FROM_PARENT);
        self.x.create_window(depth, window, self.root, 0, 0, 1, 1, 0, class, visual, &values).unwrap();
        self.x.map_window(window).unwrap();
        self.focus(window);
    }

    /// Whether a window has the keyboard.
    pub(crate) fn is_focused(&self, window: Window) -> bool {
        self.x.get_input_focus().unwrap().reply().unwrap().focus == window
    }

    /// Types small letters and digits.
    pub(crate) fn type_text(&self, text: &str) {
        for letter in text.bytes() {
            self.press_symbol(u32::from(letter));
        }
    }

    /// Presses a key.
    pub(crate) fn press(&self, key: Key) {
        match key {
            Key::Tab => self.press_symbol(TAB),
            Key::Return => self.press_symbol(RETURN),
        }
    }

    /// Presses a letter or digit with Ctrl.
    pub(crate) fn press_with_control(&self, symbol: u8) {
        self.send(KEY_PRESS_EVENT, CONTROL);
        self.press_symbol(u32::from(symbol));
        self.send(KEY_RELEASE_EVENT, CONTROL);
    }

    /// Presses the small letter that a button's label underlines.
    pub(crate) fn press_underlined(&self, letter: u8) {
        self.send(KEY_PRESS_EVENT, ALT);
        self.press_symbol(u32::from(letter));
        self.send(KEY_RELEASE_EVENT, ALT);
    }

    /// A window as it looks now.
    pub(crate) fn png(&self, window: Window) -> Vec<u8> {
        let size = self.x.get_geometry(window).unwrap().reply().unwrap();
        let picture = self.picture(window).expect("it is shown");
        let colours =
            picture.chunks_exact(4).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect::<Vec<_>>();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, size.width.into(), size.height.into());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        encoder.write_header().unwrap().write_image_data(&colours).unwrap();
        file
    }

    fn picture(&self, window: Window) -> Option<Vec<u8>> {
        let size = self.x.get_geometry(window).ok()?.reply().ok()?;
        let (format, everything) = (ImageFormat::Z_PIXMAP, u32::MAX);
        let picture = self.x.get_image(format, window, 0, 0, size.width, size.height, everything);
        Some(picture.ok()?.reply().ok()?.data)
    }

    fn press_symbol(&self, symbol: u32) {
        for event in [KEY_PRESS_EVENT, KEY_RELEASE_EVENT] {
            self.send(event, symbol);
        }
    }

    fn send(&self, event: u8, symbol: u32) {
        let setup = self.x.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let keys = self.x.get_keyboard_mapping(first, last - first + 1).unwrap().reply().unwrap();
        let mut codes = (first..=last).zip(keys.keysyms.chunks(usize::from(keys.keysyms_per_keycode)));
        let (code, _) = codes.find(|(_, symbols)| symbols.first() == Some(&symbol)).expect("such a key");
        self.x.xtest_fake_input(event, code, CURRENT_TIME, NONE, 0, 0, 0).unwrap().check().unwrap();
    }

    fn find(&self, title: &str) -> Option<Window> {
        self.shown(self.root).into_iter().find(|(_, found)| found == title).map(|(window, _)| window)
    }

    /// Windows go while they are looked at.
    fn shown(&self, parent: Window) -> Vec<(Window, String)> {
        let Ok(tree) = self.x.query_tree(parent).map(|cookie| cookie.reply()) else { return Vec::new() };
        let children = tree.map(|tree| tree.children).unwrap_or_default();
        children.into_iter().filter_map(|window| Some((window, self.title_if_seen(window)?))).collect()
    }

    fn title_if_seen(&self, window: Window) -> Option<String> {
        let attributes = self.x.get_window_attributes(window).ok()?.reply().ok()?;
        if attributes.map_state != MapState::VIEWABLE {
            return None;
        }
        let (name, kind) = (self.atom("_NET_WM_NAME"), AtomEnum::ANY);
        let title = self.x.get_property(false, window, name, kind, 0, 1024).ok()?.reply().ok()?;
        Some(String::from_utf8_lossy(&title.value).into_owned()).filter(|title| !title.is_empty())
    }

    fn atom(&self, name: &str) -> u32 {
        self.x.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom
    }
}

/// How many bytes two pictures differ in.
fn changed(before: &[u8], now: &[u8]) -> usize {
    let different = before.iter().zip(now).filter(|(before, now)| before != now).count();
    different + before.len().abs_diff(now.len())
}
