"""Workbooks of a few cells, put together by hand: what a reader must cope with is in plain sight."""

import io
import zipfile
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def a_workbook(names: dict[str, str], cells: str = "", strings: tuple[str, ...] = (), sheet: str = "填报表") -> bytes:
    """A workbook with defined names, the XML of its cells, and shared strings."""
    defined = "".join(f'<definedName name="{name}">{escape(text)}</definedName>' for name, text in names.items())
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
        f'<sheet name="说明" sheetId="1" r:id="rId1"/><sheet name="{escape(sheet)}" sheetId="2" r:id="rId2"/></sheets>'
        f"<definedNames>{defined}</definedNames></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">'
        '<Relationship Id="rId1" Target="worksheets/sheet1.xml"/>'
        '<Relationship Id="rId2" Target="/xl/worksheets/sheet2.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData/></worksheet>',
        "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{_MAIN}"><sheetData><row r="2">{cells}</row></sheetData>'
        "</worksheet>",
        "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}">{"".join(f"<si>{text}</si>" for text in strings)}</sst>',
    }
    return packed(parts)


def packed(parts: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return content.getvalue()
