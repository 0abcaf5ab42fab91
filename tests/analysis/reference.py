"""PostHog's metrics computed the slow and obvious way: one event after the other, no arrays."""

from __future__ import annotations

import hashlib
import math
from urllib.parse import urlsplit

TOKENS = (
    "login signup checkout cart billing settings account error 404 admin dashboard onboarding "
    "cancel refund"
).split()


def reference(events):
    """``events`` are ``(type, data, timestamp)`` in order of arrival."""
    r = {
        "event_count": len(events),
        "active_ms": active_ms(events),
        "click_count": 0,
        "keypress_count": 0,
        "mouse_activity_count": 0,
        "mutation_count": 0,
        "viewport_resize_count": 0,
        "touch_event_count": 0,
        "text_selection_count": 0,
        "max_scroll_y": 0.0,
        "scroll_event_count": 0,
    }
    r |= mouse(events) | scrolls(events) | clicks(events) | typing(events) | pages(events)
    r |= console(events) | network(events)
    for type_, data, _ in events:
        if type_ != 3:
            continue
        source = data["source"]
        if source in (1, 2, 6):
            r["mouse_activity_count"] += 1
        if source == 0:
            r["mutation_count"] += 1
        if source == 4:
            r["viewport_resize_count"] += 1
        if source == 6 or (source == 2 and data["type"] in (7, 9)):
            r["touch_event_count"] += 1
        if source == 14:
            r["text_selection_count"] += 1
    times = [t for _, _, t in events]
    r["start_ms"], r["end_ms"] = min(times), max(times)
    r["duration_s"] = max(times) // 1000 - min(times) // 1000
    r["inactive_s"] = r["duration_s"] - r["active_ms"] / 1000
    return r


def is_click(type_, data):
    return type_ == 3 and data["source"] == 2 and data["type"] in (2, 4, 9, 3)


def is_input(type_, data):
    return type_ == 3 and data["source"] == 5


def active_ms(events):
    segments = []
    current = None
    last_active = None
    for type_, data, t in sorted(events, key=lambda e: e[2]):
        active = type_ == 3 and data["source"] in (1, 2, 3, 4, 5, 6, 7, 12)
        new = current is None or (active and not current["active"])
        if current is not None and current["active"] and last_active + 5000 < t:
            new = True
        if active:
            last_active = t
        if new:
            current = {"start": t, "end": t, "active": active}
            segments.append(current)
        else:
            current["end"] = t
    return math.floor(sum(max(1, s["end"] - s["start"]) for s in segments if s["active"]))


def mouse(events):
    positions = [
        (p["x"], p["y"], t + (p.get("timeOffset") or 0))
        for type_, data, t in events
        if type_ == 3 and data["source"] == 1
        for p in data["positions"]
    ]
    distance = turns = 0
    speeds = []
    steps = []
    for (x0, y0, t0), (x1, y1, t1) in zip(positions, positions[1:]):
        dx, dy = x1 - x0, y1 - y0
        distance += math.sqrt(dx * dx + dy * dy)
        if steps and dx * steps[-1][0] + dy * steps[-1][1] < 0:
            turns += 1
        steps.append((dx, dy))
        if t1 - t0 > 0:
            speeds.append(math.sqrt(dx * dx + dy * dy) / (t1 - t0))
    return {
        "mouse_position_count": len(positions),
        "mouse_sum_x": sum(p[0] for p in positions),
        "mouse_sum_x_squared": sum(p[0] ** 2 for p in positions),
        "mouse_sum_y": sum(p[1] for p in positions),
        "mouse_sum_y_squared": sum(p[1] ** 2 for p in positions),
        "mouse_distance_traveled": distance,
        "mouse_direction_change_count": turns,
        "mouse_velocity_sum": sum(speeds),
        "mouse_velocity_sum_of_squares": sum(s * s for s in speeds),
        "mouse_velocity_count": len(speeds),
    }


def scrolls(events):
    r = dict.fromkeys(
        (
            "scroll_event_count",
            "total_scroll_magnitude",
            "scroll_direction_reversal_count",
            "rapid_scroll_reversal_count",
            "scroll_to_top_count",
            "max_scroll_y",
        ),
        0,
    )
    last_id = last_y = direction = last_t = None
    for type_, data, t in events:
        if type_ != 3 or data["source"] != 3:
            continue
        r["scroll_event_count"] += 1
        if data.get("y") is None:
            continue
        y = data["y"]
        r["max_scroll_y"] = max(r["max_scroll_y"], y)
        if data.get("id") != last_id or data.get("id") is None:
            last_y = direction = None
            last_id = data.get("id")
        if last_y is None:
            last_y, last_t = y, t
            continue
        dy = y - last_y
        r["total_scroll_magnitude"] += abs(dy)
        if last_y > 0 and y == 0:
            r["scroll_to_top_count"] += 1
        if dy != 0:
            now = "up" if dy < 0 else "down"
            if direction is not None and now != direction:
                r["scroll_direction_reversal_count"] += 1
                if t - last_t < 500:
                    r["rapid_scroll_reversal_count"] += 1
            direction = now
        last_y, last_t = y, t
    return r


def clicks(events):
    rage = dead = count = chain = 0
    last = None
    navigated = False
    targets = []
    for type_, data, t in events:
        if href(type_, data):
            navigated = True
        if not is_click(type_, data):
            continue
        count += 1
        if data.get("id") is not None and data["id"] not in targets:
            targets.append(data["id"])
        x, y = data.get("x"), data.get("y")
        if last is None or x is None or y is None or last[0] is None or last[1] is None:
            chain, navigated = 1, False
        elif t - last[2] < 1000 and math.hypot(x - last[0], y - last[1]) < 30:
            chain += 1
            if chain >= 3:
                rage += 1
        else:
            if chain == 1 and not navigated:
                dead += 1
            chain, navigated = 1, False
        last = (x, y, t)
    return {
        "click_count": count,
        "rage_click_count": rage,
        "dead_click_count": dead,
        "click_target_ids": targets[:1000],
    }


def typing(events):
    count = backspaces = copies = 0
    fields = []
    lengths = {}
    selection = None
    gaps = []
    last = None
    for type_, data, t in events:
        if type_ == 3 and data["source"] == 14:
            selection = t
        if is_click(type_, data) or is_input(type_, data):
            if last is not None and t - last > 0:
                gaps.append(t - last)
            last = t
        if not is_input(type_, data):
            continue
        count += 1
        node, text = data.get("id"), data.get("text")
        if node is not None:
            if node not in fields:
                fields.append(node)
            if isinstance(text, str):
                length = len(text.encode("utf-16-le")) // 2
                if node in lengths and length < lengths[node]:
                    backspaces += lengths[node] - length
                lengths[node] = length
        if selection is not None and t - selection <= 2000:
            copies += 1
            selection = None
    return {
        "keypress_count": count,
        "backspace_count": backspaces,
        "form_field_ids": fields[:1000],
        "selection_copy_count": copies,
        "inter_action_gap_count": len(gaps),
        "inter_action_gap_sum_ms": sum(gaps),
        "inter_action_gap_sum_of_squares_ms": sum(g * g for g in gaps),
        "max_idle_gap_ms": max(gaps, default=0),
        "long_idle_gap_count": sum(g > 30_000 for g in gaps),
    }


def href(type_, data):
    if type_ not in (4, 5, 6) or not isinstance(data, dict):
        return None
    if type_ == 5 and data.get("tag") == "$json_ld":
        return None
    found = data.get("href")
    if not isinstance(found, str) and isinstance(data.get("payload"), dict):
        found = data["payload"].get("href")
    return found.strip() or None if isinstance(found, str) else None


def pages(events):
    urls = [(href(type_, data), t) for type_, data, t in events if href(type_, data)]
    quick = sum(b[0] != a[0] and b[1] - a[1] < 2000 for a, b in zip(urls, urls[1:]))
    tokens = dict.fromkeys(TOKENS, 0)
    for url, _ in urls:
        for token in set(urlsplit(url).path.lower().split("/")) & set(TOKENS):
            tokens[token] += 1
    distinct = list(dict.fromkeys(u for u, _ in urls))
    return {
        "page_visit_count": len(urls),
        "quick_back_count": quick,
        "visited_urls": [hashlib.md5(u.encode()).hexdigest() for u in distinct][:1000],
        **{f"path_{token}_count": n for token, n in tokens.items()},
    }


def console(events):
    r = dict.fromkeys(
        (
            "console_log_count",
            "console_warn_count",
            "console_error_count",
            "ml_console_error_count",
            "ml_console_warn_count",
            "console_error_after_click_count",
        ),
        0,
    )
    last = None
    for type_, data, t in events:
        if is_click(type_, data) or is_input(type_, data):
            last = t
        if type_ != 6 or data.get("plugin") != "rrweb/console@1":
            continue
        level = data["payload"].get("level")
        name = {"warn": "warn", "countReset": "warn", "error": "error", "assert": "error"}
        r[f"console_{name.get(level, 'log')}_count"] += 1
        r["ml_console_error_count"] += level == "error"
        r["ml_console_warn_count"] += level == "warn"
        if level == "error" and last is not None and 0 <= t - last < 5000:
            r["console_error_after_click_count"] += 1
    return r


def network(events):
    requests = []
    for type_, data, _ in events:
        if type_ != 6:
            continue
        if data.get("plugin") == "rrweb/network@1":
            requests += [
                (q.get("duration"), q.get("status", q.get("responseStatus")))
                for q in data["payload"]["requests"]
            ]
        elif data.get("plugin") == "posthog/network@1":
            requests.append((data["payload"].get("39"), data["payload"].get("21")))
    codes = [s for _, s in requests if isinstance(s, (int, float))]
    took = [d for d, _ in requests if isinstance(d, (int, float)) and d > 0]
    return {
        "network_request_count": len(requests),
        "network_failed_request_count": sum(s >= 400 for s in codes),
        "network_4xx_count": sum(400 <= s < 500 for s in codes),
        "network_5xx_count": sum(500 <= s < 600 for s in codes),
        "network_request_duration_sum": sum(took),
        "network_request_duration_sum_of_squares": sum(d * d for d in took),
        "network_request_duration_count": len(took),
    }
