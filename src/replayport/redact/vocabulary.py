"""
Words of HTML and CSS that a wireframe may hold: what is not on these lists is numbered.

They are the words of the languages, not of any page. A property or keyword that is missing
here costs a little layout, never a recorded word.
"""

from __future__ import annotations

from typing import Final

TAGS: Final = frozenset(
    """
    a abbr address area article aside audio b base bdi bdo blockquote body br button canvas caption
    center cite code col colgroup data datalist dd del details dfn dialog div dl dt em embed
    fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup
    hr html i iframe img input ins kbd label legend li link main map mark menu meta meter nav
    noscript object ol optgroup option output p param picture pre progress q rp rt ruby s samp
    script search section select slot small source span strike strong style sub summary sup svg
    table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr
    """.split()
)

VALUE_ATTRIBUTES: Final = frozenset(
    """
    type width height colspan rowspan span rows cols size maxlength minlength min max step hidden
    disabled checked selected multiple readonly required open dir role align valign border
    cellpadding cellspacing nowrap wrap start reversed contenteditable draggable tabindex inert
    scrolling frameborder marginwidth marginheight shape popover high low optimum aria-hidden
    aria-expanded aria-selected aria-checked aria-disabled aria-pressed aria-current aria-haspopup
    aria-modal aria-busy aria-invalid aria-orientation aria-level aria-valuenow aria-valuemin
    aria-valuemax aria-live aria-readonly aria-required aria-sort
    """.split()
)
"""Attributes that keep their name, and their value where it is a number or one of `VALUES`."""

PLAIN_ATTRIBUTES: Final = frozenset(
    ["class", "id", "for", "style", "value", "part", "slot", "form", "_cssText"]
)
"""Attributes that keep their name and have a treatment of their own."""

LEFT_OUT: Final = frozenset(
    """
    src srcset href xlink:href action formaction poster background data alt title placeholder
    content name label summary cite datetime list srcdoc aria-label aria-labelledby aria-describedby
    aria-description aria-valuetext aria-placeholder aria-roledescription aria-owns aria-details
    aria-activedescendant aria-errormessage autocomplete pattern accept charset http-equiv media rel
    integrity nonce crossorigin referrerpolicy download ping lang xml:lang xmlns usemap longdesc
    sandbox allow sizes imagesrcset imagesizes enterkeyhint inputmode is itemid itemprop itemref
    itemtype target method enctype
    """.split()
)

VALUES: Final = frozenset(
    """
    true false on off yes no auto none both all any mixed page step location date time inherit left
    right center middle top bottom justify baseline ltr rtl text search email tel url password
    number range color month week datetime-local checkbox radio file submit reset button image
    hidden menu manual modal non-modal open closed horizontal vertical ascending descending other
    polite assertive alert alertdialog application article banner blockquote caption cell
    columnheader combobox complementary contentinfo definition dialog document feed figure form
    generic grid gridcell group heading img link list listbox listitem log main marquee math menubar
    menuitem menuitemcheckbox menuitemradio meter navigation note option paragraph presentation
    progressbar radiogroup region row rowgroup rowheader scrollbar searchbox separator slider
    spinbutton status switch tab table tablist tabpanel textbox timer toolbar tooltip tree treegrid
    treeitem block inline inline-block flex inline-flex inline-grid relative absolute fixed sticky
    static played paused show active disabled inactive checked unchecked collapsed expanded
    plaintext-only hard soft
    """.split()
)
"""Values of attributes that mean something in HTML or ARIA, or in the state of a component."""

PSEUDO: Final = frozenset(
    """
    active after any-link backdrop before checked default defined details-content disabled empty
    enabled file-selector-button first-child first-letter first-line first-of-type focus
    focus-visible focus-within has host host-context hover in-range indeterminate invalid is
    last-child last-of-type link marker matches modal not nth-child nth-last-child nth-last-of-type
    nth-of-type only-child only-of-type open optional out-of-range part placeholder
    placeholder-shown popover-open read-only read-write required root selection slotted target valid
    visited where -webkit-any -webkit-scrollbar -webkit-scrollbar-thumb -webkit-scrollbar-track
    -webkit-inner-spin-button -webkit-outer-spin-button -webkit-search-cancel-button
    -webkit-search-decoration -webkit-file-upload-button -webkit-input-placeholder
    -webkit-slider-thumb -webkit-slider-runnable-track -webkit-details-marker
    -webkit-calendar-picker-indicator
    """.split()
)

_SIDES: Final = (
    "top",
    "right",
    "bottom",
    "left",
    "block",
    "inline",
    "block-start",
    "block-end",
    "inline-start",
    "inline-end",
)

PROPERTIES: Final = frozenset(
    """
    align-content color accent-color align-items align-self all animation animation-delay animation-direction
    animation-duration animation-fill-mode animation-iteration-count animation-name
    animation-play-state animation-timing-function appearance -webkit-appearance aspect-ratio
    backdrop-filter backface-visibility background background-attachment background-clip
    background-color background-image background-origin background-position background-position-x
    background-position-y background-repeat background-size block-size border border-block
    border-inline border-collapse border-color border-radius border-spacing border-style
    border-width border-top-left-radius border-top-right-radius border-bottom-left-radius
    border-bottom-right-radius border-start-start-radius border-start-end-radius
    border-end-start-radius border-end-end-radius bottom box-shadow box-sizing -webkit-box-sizing
    -moz-box-sizing break-after break-before break-inside caption-side clear clip clip-path
    column-count column-fill column-gap column-rule column-span column-width columns contain
    contain-intrinsic-size container container-name container-type content content-visibility
    counter-increment counter-reset counter-set cursor direction display empty-cells field-sizing
    fill fill-opacity filter flex flex-basis flex-direction flex-flow flex-grow flex-shrink
    flex-wrap float font font-size font-size-adjust font-stretch font-style font-variant
    font-variant-numeric font-weight gap grid grid-area grid-auto-columns grid-auto-flow
    grid-auto-rows grid-column grid-column-end grid-column-gap grid-column-start grid-gap grid-row
    grid-row-end grid-row-gap grid-row-start grid-template grid-template-areas grid-template-columns
    grid-template-rows height hyphens inline-size inset inset-block inset-block-end
    inset-block-start inset-inline inset-inline-end inset-inline-start isolation justify-content
    justify-items justify-self left letter-spacing line-break line-clamp -webkit-line-clamp
    -webkit-box-orient line-height list-style list-style-position list-style-type margin mask
    max-block-size max-height max-inline-size max-width min-block-size min-height min-inline-size
    min-width mix-blend-mode object-fit object-position opacity order orphans outline outline-color
    outline-offset outline-style outline-width overflow overflow-anchor overflow-wrap overflow-x
    overflow-y overscroll-behavior padding page-break-after page-break-before page-break-inside
    perspective perspective-origin place-content place-items place-self pointer-events position
    resize right rotate row-gap scale scroll-behavior scroll-margin-top scroll-padding-top
    scroll-snap-align scroll-snap-type scrollbar-gutter scrollbar-width stroke stroke-width tab-size
    table-layout text-align text-align-last text-indent text-overflow text-transform text-wrap top
    touch-action transform transform-box transform-origin transform-style transition
    transition-behavior transition-delay transition-duration transition-property
    transition-timing-function translate unicode-bidi user-select -webkit-user-select vertical-align
    visibility white-space white-space-collapse widows width will-change word-break word-spacing
    word-wrap writing-mode z-index zoom
    """.split()
) | {
    f"{kind}-{side}{part}"
    for kind, parts in (
        ("border", ("", "-color", "-style", "-width")),
        ("margin", ("",)),
        ("padding", ("",)),
    )
    for side in _SIDES
    for part in parts
}

KEYWORDS: Final = frozenset(
    """
    absolute alias all all-scroll allow-discrete alternate alternate-reverse always and anywhere
    auto auto-fill auto-fit avoid avoid-column avoid-page backwards balance baseline before bold
    bolder border-box both bottom break-all break-spaces break-word capitalize cell center circle
    clip coarse col-resize collapse color-burn color-dodge column column-reverse contain content
    content-box context-menu copy cover crosshair currentcolor darken dashed decimal default dense
    difference disc discrete dotted double e-resize ease ease-in ease-in-out ease-out ellipsis end
    evenodd ew-resize exclusion expanded fill fill-box fine first fit-content fixed flat flex
    flex-end flex-start flow-root forwards from grab grabbing grayscale grid groove hard-light help
    hidden hide horizontal hover hue infinite inherit initial inline inline-block inline-flex
    inline-grid inline-size inline-table inset inside invert isolate italic jump-end jump-start
    justify keep-all landscape large larger last layout left light lighten lighter line-through
    linear list-item local loose lower-alpha lower-roman lowercase ltr luminosity manipulation
    manual max-content medium middle min-content minmax move multiply n-resize ne-resize nesw-resize
    no-close-quote no-drop no-open-quote no-preference no-repeat none normal not not-allowed nowrap
    ns-resize nw-resize nwse-resize oblique only opacity or outset outside over overlay padding-box
    paged paint pan-x pan-y paused plus-lighter pointer portrait pre pre-line pre-wrap pretty
    preserve preserve-3d print progress proximity reduce relative repeat repeat-x repeat-y reverse
    revert revert-layer ridge right rotate round row row-resize row-reverse rtl ruby running
    s-resize safe sans-serif saturation scale-down screen scroll scroll-position se-resize serif
    monospace system-ui smooth separate sideways size slice small smaller smooth soft-light solid
    space space-around space-between space-evenly span square stable start state static step-end
    step-start sticky strict stretch stroke-box style sub subgrid super sw-resize table
    table-caption table-cell table-column table-column-group table-footer-group table-header-group
    table-row table-row-group tabular-nums text text-bottom text-top thick thin to top transform
    transparent under underline unset upper-alpha upper-roman uppercase vertical vertical-lr
    vertical-rl view-box visible w-resize wait wavy wrap wrap-reverse x-large x-small xx-large
    xx-small xxx-large y z x zoom-in zoom-out -webkit-box -webkit-flex -webkit-inline-box
    -webkit-fill-available -webkit-sticky min-width max-width min-height max-height width height
    aspect-ratio min-aspect-ratio max-aspect-ratio orientation resolution min-resolution
    max-resolution prefers-color-scheme prefers-reduced-motion prefers-contrast any-hover
    any-pointer dark forced-colors active display-mode standalone update speed
    """.split()
)

FUNCTIONS: Final = frozenset(
    """
    abs blur brightness calc circle clamp contrast counter counters cubic-bezier drop-shadow ellipse
    env fit-content grayscale hue-rotate inset invert linear-gradient matrix matrix3d max min minmax
    mod opacity perspective polygon radial-gradient conic-gradient rem repeat
    repeating-linear-gradient repeating-radial-gradient rotate rotate3d rotatex rotatey rotatez
    round saturate scale scale3d scalex scaley sepia skew skewx skewy steps translate translate3d
    translatex translatey translatez var sign style not selector
    """.split()
)

COLOURS: Final = frozenset(
    """
    color color-mix hwb lab lch oklab oklch light-dark rgb rgba hsl hsla
    """.split()
)

UNITS: Final = frozenset(
    """
    px em rem ex ch lh rlh vh vw vi vb vmin vmax svh svw lvh lvw dvh dvw cqw cqh cqi cqb cqmin cqmax
    cm mm q in pt pc deg rad grad turn s ms fr dpi dpcm dppx x
    """.split()
)

WIREFRAME_TYPES: Final = frozenset(
    """
    div text image rectangle placeholder input radio_group radio checkbox toggle button text_area
    select progress web_view screenshot status_bar navigation_bar number password email tel search
    url phone date time range
    """.split()
)
WIREFRAME_STYLES: Final = frozenset(
    """
    color backgroundColor borderWidth borderRadius borderColor verticalAlign horizontalAlign
    fontSize paddingTop paddingRight paddingBottom paddingLeft bar
    """.split()
)
WIREFRAME_VALUES: Final = frozenset(
    ["left", "right", "center", "top", "bottom", "horizontal", "circular", "rating"]
)
